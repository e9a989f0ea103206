//! Schemas at random: most of them good, some with something wrong, and pairs of which one is made from the other.

use fastrand::Rng;

use super::json::Json;

const PRIMITIVES: [&str; 8] = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];

/// Numbers in all the forms that JSON has for them. Not those that Java before 19 prints with a digit too many
/// (JDK-4511638), such as 2e23.
const NUMBERS: [&str; 30] = [
    "0",
    "-0",
    "1",
    "-5",
    "7",
    "1E5",
    "0.10",
    "1.0E+2",
    "1e400",
    "1e-400",
    "0e10",
    "1e15",
    "123456789.0",
    "1e-7",
    "0.001",
    "0.0001",
    "9007199254740993",
    "9007199254740993.0",
    "100e-2",
    "0.30000000000000004",
    "5e-324",
    "99999999999999999999",
    "2147483647",
    "2147483648",
    "9223372036854775807",
    "-9223372036854775809",
    "3.4028235e38",
    "1e39",
    "9999999.999",
    "1.7976931348623157e308",
];

const TEXTS: [&str; 8] = ["", "a", "é", "\u{20ac}", "x\"y\\", "ÿ\u{0}", "\u{2028}", "NaN"];

/// Members beside those that a schema needs.
const PROPERTIES: [&str; 12] = [
    "p",
    "java-class",
    "x y",
    "é",
    "logicalType",
    "precision",
    "scale",
    "doc",
    "namespace",
    "order",
    "size",
    "default",
];

const SYMBOLS: [&[&str]; 4] = [&["X", "Y"], &["X"], &["A", "B", "C"], &["Y", "X", "Q"]];

const NAMES: [&str; 6] = ["A", "B", "x.A", "x.y.B", "D_1", "1a"];

const FIELDS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// Makes schemas that refer to each other's names.
pub(super) struct Schemas {
    rng: Rng,
    names: Vec<String>,
}

impl Schemas {
    pub(super) fn new(rng: Rng) -> Self {
        Self { rng, names: Vec::new() }
    }

    /// A schema, mostly a record, that is most likely good.
    pub(super) fn any(&mut self) -> Json {
        self.names.clear();
        if self.happens(0.7) { self.record(3) } else { self.schema(3) }
    }

    /// Something in it taken away, or put in the place of something else.
    pub(super) fn spoil(&mut self, schema: &mut Json) {
        let odd = self.value(0);
        let mut behind = self.rng.usize(..schema.objects().max(1));
        let Some(members) = schema.members_of(&mut behind).filter(|members| !members.is_empty()) else { return };
        let at = self.rng.usize(..members.len());
        match self.rng.u8(..4) {
            0 => drop(members.remove(at)),
            1 => members[at].0 = self.one_of(&PROPERTIES).to_owned(),
            2 if members[at].1.as_text().is_some() => {
                members[at].1 = Json::text(self.one_of(&["", "1a", "a-b", "a.", ".A", "int", "é", "Nobody"]));
            }
            _ => members[at].1 = odd,
        }
    }

    /// A schema that some care has been taken with to go on from another, or none.
    pub(super) fn changed(&mut self, schema: &Json, likely: f64) -> Json {
        match schema {
            Json::Word(_) => schema.clone(),
            Json::Text(name) if PRIMITIVES.contains(&&**name) && self.happens(likely) => match self.rng.u8(..3) {
                0 if name != "null" => Json::List(vec![Json::text("null"), schema.clone()]),
                1 => self.schema(1),
                _ => self.primitive(),
            },
            Json::Text(_) => schema.clone(),
            Json::List(branches) => {
                let mut changed = Vec::new();
                for branch in branches {
                    if !self.happens(likely / 2.0) {
                        changed.push(self.changed(branch, likely));
                    }
                }
                if self.happens(likely) {
                    changed.push(self.primitive());
                }
                Json::List(changed)
            }
            Json::Object(_) => self.changed_object(schema, likely),
        }
    }

    fn changed_object(&mut self, schema: &Json, likely: f64) -> Json {
        let mut changed = schema.clone();
        for part in ["items", "values"] {
            if let Some(inner) = schema.get(part) {
                changed.set(part, self.changed(inner, likely));
            }
        }
        if let Some(name) = schema.get("name").and_then(Json::as_text) {
            if self.happens(likely / 2.0) {
                // Of two that are equal but for aliases Java compares with either's, here it is the first.
                let own = name.replace('.', "_");
                let space = self.one_of(&["", "moved."]);
                changed.set("name", Json::text(&format!("{space}Other{own}")));
            }
            if self.happens(likely) {
                changed.set("aliases", Json::texts(&[name]));
            }
        }
        if schema.get("size").is_some() && self.happens(likely) {
            changed.set("size", Json::word(self.one_of(&["1", "2", "16"])));
        }
        if schema.get("symbols").is_some() && self.happens(likely) {
            let symbols = self.one_of(&SYMBOLS);
            changed.set("symbols", Json::texts(symbols));
            if self.happens(0.4) {
                changed.set("default", Json::text(symbols[0]));
            }
        }
        if let Some(Json::List(fields)) = schema.get("fields") {
            let mut kept = Vec::new();
            for field in fields.iter().filter(|field| field.get("type").is_some()) {
                if self.happens(likely / 1.5) {
                    continue;
                }
                kept.push(self.changed_field(field, likely));
            }
            if self.happens(likely) {
                let of = if self.happens(0.5) { self.primitive() } else { self.enumeration(true) };
                kept.push(Json::object([("name", Json::text("new")), ("type", of)]));
            }
            if self.happens(likely) {
                self.rng.shuffle(&mut kept);
            }
            changed.set("fields", Json::List(kept));
        }
        changed
    }

    fn changed_field(&mut self, field: &Json, likely: f64) -> Json {
        let mut changed = field.clone();
        if let Some(of) = field.get("type") {
            changed.set("type", self.changed(of, likely));
        }
        if let (Some(name), true) = (field.get("name").and_then(Json::as_text), self.happens(likely / 2.0)) {
            changed.set("aliases", Json::texts(&[name]));
            changed.set("name", Json::text(self.one_of(&["renamed", "a"])));
        }
        if let (Json::Object(members), true) = (&mut changed, self.happens(likely)) {
            members.retain(|(name, _)| name != "default");
        }
        changed
    }

    fn schema(&mut self, depth: u8) -> Json {
        let kind = if depth == 0 { 0 } else { self.rng.u8(..10) };
        let schema = match kind {
            0..=2 => return self.primitive_or_name(),
            3 => Json::object([("type", Json::text("array")), ("items", self.schema(depth - 1))]),
            4 => Json::object([("type", Json::text("map")), ("values", self.schema(depth - 1))]),
            5 | 6 => return self.union(depth),
            7 => self.enumeration(false),
            8 => {
                let size = Json::word(self.one_of(&["0", "1", "12", "16"]));
                Json::object([("type", Json::text("fixed")), ("name", self.name()), ("size", size)])
            }
            _ => return self.record(depth),
        };
        self.adorned(schema)
    }

    fn primitive(&mut self) -> Json {
        Json::text(self.one_of(&PRIMITIVES))
    }

    fn primitive_or_name(&mut self) -> Json {
        match self.names.len() {
            count if count > 0 && self.happens(0.25) => {
                let name = self.names[self.rng.usize(..count)].clone();
                Json::text(if self.happens(0.3) { name.rsplit('.').next().unwrap_or_default() } else { &name })
            }
            _ if self.happens(0.2) => {
                let primitive = self.primitive();
                self.adorned(Json::object([("type", primitive)]))
            }
            _ => self.primitive(),
        }
    }

    fn union(&mut self, depth: u8) -> Json {
        let mut branches: Vec<Json> = Vec::new();
        for _ in 0..self.rng.u8(..4) {
            let branch = if self.happens(0.5) { self.primitive() } else { self.schema(depth - 1) };
            let kind = |branch: &Json| branch.get("name").or(branch.get("type")).unwrap_or(branch).clone();
            if !matches!(branch, Json::List(_)) && branches.iter().all(|own| kind(own) != kind(&branch)) {
                branches.push(branch);
            }
        }
        Json::List(branches)
    }

    fn enumeration(&mut self, has_default: bool) -> Json {
        let symbols = self.one_of(&SYMBOLS);
        let (name, symbols_of) = (self.name(), Json::texts(symbols));
        let mut schema = Json::object([("type", Json::text("enum")), ("name", name), ("symbols", symbols_of)]);
        if has_default || self.happens(0.3) {
            schema.set("default", Json::text(symbols[0]));
        }
        schema
    }

    fn record(&mut self, depth: u8) -> Json {
        let kind = if self.happens(0.1) { "error" } else { "record" };
        let mut schema = Json::object([("type", Json::text(kind)), ("name", self.name())]);
        let mut fields = Vec::new();
        for name in FIELDS.into_iter().take(usize::from(self.rng.u8(..5))) {
            let of = self.schema(depth.saturating_sub(1));
            let default = self.happens(0.35).then(|| self.default_of(&of, 3));
            let mut field = Json::object([("name", Json::text(name)), ("type", of)]);
            if let Some(default) = default {
                field.set("default", default);
            }
            if self.happens(0.1) {
                field.set("order", Json::text(self.one_of(&["ascending", "descending", "ignore"])));
            }
            if self.happens(0.1) {
                field.set("aliases", Json::texts(&["z"]));
            }
            if self.happens(0.1) {
                field.set("p", self.value(1));
            }
            fields.push(self.shuffled(field));
        }
        schema.set("fields", Json::List(fields));
        self.adorned(schema)
    }

    /// A new name, or one that may have been given.
    fn name(&mut self) -> Json {
        let name = if self.happens(0.9) {
            let space = self.one_of(&["", "", "p.", "q.r."]);
            format!("{space}N{}", self.names.len())
        } else {
            self.one_of(&NAMES).to_owned()
        };
        self.names.push(name.clone());
        Json::text(&name)
    }

    /// With this and that beside what it needs, in any order.
    fn adorned(&mut self, mut schema: Json) -> Json {
        if self.happens(0.15) {
            schema.set("namespace", Json::text(self.one_of(&["n", "n.m", ""])));
        }
        if self.happens(0.2) {
            let name = self.one_of(&PROPERTIES[..7]);
            let value = self.value(1);
            schema.set(name, value);
        }
        if self.happens(0.1) {
            schema.set("doc", Json::text(self.one_of(&TEXTS)));
        }
        self.shuffled(schema)
    }

    fn shuffled(&mut self, mut object: Json) -> Json {
        if let (Json::Object(members), true) = (&mut object, self.rng.bool()) {
            self.rng.shuffle(members);
        }
        object
    }

    /// A default that most likely fits.
    fn default_of(&mut self, schema: &Json, depth: u8) -> Json {
        if depth == 0 || self.happens(0.05) {
            return self.value(1);
        }
        if let Json::List(branches) = schema {
            let branch = branches.get(self.rng.usize(..branches.len().max(1))).cloned();
            return match branch {
                Some(branch) => self.default_of(&branch, depth - 1),
                None => self.value(1),
            };
        }
        let kind = schema.as_text().or_else(|| schema.get("type").and_then(Json::as_text)).unwrap_or_default();
        match kind {
            "null" => Json::word("null"),
            "boolean" => Json::word(self.one_of(&["true", "false"])),
            "int" => Json::word(self.one_of(&NUMBERS[..5])),
            "long" | "float" | "double" => Json::word(self.one_of(&NUMBERS)),
            "bytes" | "string" | "fixed" => Json::text(self.one_of(&TEXTS)),
            "enum" => Json::text(self.one_of(&["X", "Y", "Q"])),
            "array" => {
                let item = schema.get("items").cloned().map(|items| self.default_of(&items, depth - 1));
                Json::List(item.into_iter().take(usize::from(self.rng.bool())).collect())
            }
            "map" => {
                let value = schema.get("values").cloned().map(|values| self.default_of(&values, depth - 1));
                Json::Object(value.map(|value| ("k".to_owned(), value)).into_iter().collect())
            }
            "record" | "error" => {
                let Some(Json::List(fields)) = schema.get("fields") else { return self.value(1) };
                let mut members = Vec::new();
                for field in fields {
                    if let (Some(name), Some(of)) = (field.get("name").and_then(Json::as_text), field.get("type")) {
                        members.push((name.to_owned(), self.default_of(of, depth - 1)));
                    }
                }
                Json::Object(members)
            }
            _ => self.value(1),
        }
    }

    /// Any value.
    fn value(&mut self, depth: u8) -> Json {
        match self.rng.u8(..if depth == 0 { 4 } else { 6 }) {
            0 => Json::word(self.one_of(&["null", "true", "false"])),
            1 | 2 => Json::word(self.one_of(&NUMBERS)),
            3 => Json::text(self.one_of(&TEXTS)),
            4 => Json::List((0..self.rng.u8(..3)).map(|_| self.value(depth - 1)).collect()),
            _ => Json::object([("b", self.value(depth - 1)), ("a", self.value(depth - 1))]),
        }
    }

    fn happens(&mut self, likely: f64) -> bool {
        self.rng.f64() < likely
    }

    fn one_of<T: Copy>(&mut self, choice: &[T]) -> T {
        choice[self.rng.usize(..choice.len())]
    }
}
