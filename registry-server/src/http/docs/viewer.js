// Shows openapi.json: operations by group, with a form to send each. Everything is put in as text, nothing as markup.
"use strict";

const byId = (id) => document.getElementById(id);

// An element with properties and children; a child that is no element becomes text.
function make(name, properties, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

// Text of Markdown inside of a paragraph: what stands between backticks is code.
const inline = (text) => text.split(/`([^`]*)`/).map((part, at) => (at % 2 ? make("code", {}, part) : part));

// Markdown's paragraphs; empty lines are between them.
const paragraphs = (text) => text.split(/\n\s*\n/).map((paragraph) => make("p", {}, ...inline(paragraph)));

// What a schema's reference stands for.
function resolve(api, schema) {
  const name = schema?.$ref?.split("/").pop();
  return name ? { name, ...api.components.schemas[name] } : (schema ?? {});
}

function kinds(schema) {
  return [schema.type ?? "any"].flat().filter((kind) => kind !== "null");
}

// A schema in a few words: `RegisterRequest`, `list of string`.
function inWords(api, schema) {
  const known = resolve(api, schema);
  if (known.name) return known.name;
  if (known.items) return `list of ${inWords(api, known.items)}`;
  const choice = (known.oneOf ?? known.anyOf ?? []).filter((each) => each.type !== "null");
  return choice.length ? choice.map((each) => inWords(api, each)).join(" or ") : kinds(known).join(" or ");
}

// A body to start from: the fields that most requests have.
function example(api, schema) {
  const { properties = {} } = resolve(api, schema);
  if (properties.schemaType) {
    const record = { type: "record", name: "User", fields: [{ name: "id", type: "long" }] };
    return { schemaType: "AVRO", schema: JSON.stringify(record) };
  }
  if (properties.compatibility) return { compatibility: "FULL" };
  if (properties.mode) return { mode: "READWRITE" };
  return {};
}

function fieldsOf(api, schema) {
  const known = resolve(api, schema.items ?? schema);
  const rows = Object.entries(known.properties ?? {}).map(([name, field]) =>
    make("tr", {}, make("th", {}, make("code", {}, name)), make("td", { className: "quiet" }, inWords(api, field)),
      make("td", {}, ...paragraphs(field.description ?? ""))));
  return rows.length ? [make("table", {}, make("tbody", {}, ...rows))] : [];
}

function shape(api, title, schema) {
  return [make("h3", {}, `${title}: `, make("code", {}, inWords(api, schema))), ...fieldsOf(api, schema)];
}

// Inputs for the parameters, by `place name`.
function parameterTable(operation) {
  const inputs = new Map();
  const rows = operation.parameters.map((parameter) => {
    const isFlag = parameter.schema.type === "boolean";
    const input = make("input", isFlag ? { type: "checkbox" } : { type: "text", required: parameter.required });
    input.setAttribute("aria-label", parameter.name);
    inputs.set(`${parameter.in} ${parameter.name}`, input);
    return make("tr", {}, make("th", {}, make("code", {}, parameter.name)), make("td", {}, input),
      make("td", {}, ...paragraphs(parameter.description)));
  });
  const table = rows.length ? [make("h3", {}, "Parameters"), make("table", {}, make("tbody", {}, ...rows))] : [];
  return { inputs, table };
}

function address(path, inputs) {
  const query = new URLSearchParams();
  for (const [key, input] of inputs) {
    const [place, name] = key.split(" ");
    if (place === "path") path = path.replace(`{${name}}`, encodeURIComponent(input.value));
    else if (input.type === "checkbox" && input.checked) query.set(name, "true");
    else if (input.type === "text" && input.value !== "") query.set(name, input.value);
  }
  // Relative, so that the page also works behind a proxy that puts something in front of the path.
  return `.${path}${query.size ? `?${query}` : ""}`;
}

function indented(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

async function send(method, url, body, out) {
  const started = performance.now();
  try {
    const headers = body === undefined ? {} : { "Content-Type": "application/vnd.schemaregistry.v1+json" };
    const answer = await fetch(url, { method: method.toUpperCase(), headers, body });
    const text = indented(await answer.text());
    const told = `${answer.status} ${answer.statusText}, ${Math.round(performance.now() - started)} ms`;
    out.replaceChildren(make("div", { className: answer.ok ? "good" : "bad" }, told), make("pre", {}, text));
  } catch (error) {
    out.replaceChildren(make("div", { className: "bad" }, `not sent: ${error.message}`));
  }
}

function responses(operation) {
  const rows = Object.entries(operation.responses).map(([status, response]) =>
    make("tr", {}, make("th", { className: status < 300 ? "good" : "bad" }, status),
      make("td", {}, ...response.description.split("\n").map((line) => make("div", {}, ...inline(line))))));
  return [make("h3", {}, "Answers"), make("table", {}, make("tbody", {}, ...rows))];
}

const schemaOf = (content) => Object.values(content ?? {})[0]?.schema;

function operationView(api, path, method, operation) {
  const { inputs, table } = parameterTable(operation);
  const bodySchema = schemaOf(operation.requestBody?.content);
  const answerSchema = schemaOf(operation.responses["200"]?.content);
  const body = bodySchema && make("textarea", { value: JSON.stringify(example(api, bodySchema), null, 2), spellcheck: false });
  body?.setAttribute("aria-label", "Body");
  const out = make("div", { role: "status" });
  const form = make("form", {}, ...table,
    ...(body ? [...shape(api, "Body", bodySchema), body] : []),
    make("button", { type: "submit" }, "Send"), out);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const url = address(path, inputs);
    if (method === "delete" && !confirm(`Send DELETE ${url.slice(1)}?`)) return;
    send(method, url, body?.value, out);
  });
  const line = make("summary", {}, make("span", { className: "method" }, method.toUpperCase()),
    make("span", { className: "path" }, path), make("span", { className: "quiet" }, ...inline(operation.summary)));
  const view = make("details", { id: operation.operationId }, line,
    make("div", { className: "inside" }, form, ...shape(api, "Answer", answerSchema ?? {}), ...responses(operation)));
  view.dataset.words = `${method} ${path} ${JSON.stringify(operation)}`.toLowerCase();
  return view;
}

// What most come for stands first, what few come for last, and between them the rest in the document's order.
const FIRST = ["Subjects", "Compatibility", "Schemas", "Config and mode", "Contexts"];
const LAST = ["Associations", "Pages"];
const place = (group) => (FIRST.includes(group) ? FIRST.indexOf(group) - FIRST.length : LAST.indexOf(group) + 1);

const anchor = (group) => `group-${group.toLowerCase().replaceAll(" ", "-")}`;

function show(api) {
  byId("title").textContent = `${api.info.title} ${api.info.version}`;
  const groups = new Map();
  for (const [path, item] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      const group = operation.tags[0];
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group).push(operationView(api, path, method, operation));
    }
  }
  byId("operations").replaceChildren(...paragraphs(api.info.description),
    make("p", {}, make("a", { href: "openapi.json" }, "openapi.json")));
  for (const [group, views] of [...groups].sort(([one], [other]) => place(one) - place(other))) {
    byId("operations").append(make("section", { id: anchor(group) }, make("h2", {}, group), ...views));
    byId("groups").append(make("a", { href: `#${anchor(group)}` }, group));
  }
}

function filter() {
  const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const view of document.querySelectorAll("details")) {
    view.hidden = !words.every((word) => view.dataset.words.includes(word));
  }
  for (const section of document.querySelectorAll("section")) {
    section.hidden = !section.querySelector("details:not([hidden])");
  }
  byId("no-match").hidden = document.querySelector("section:not([hidden])") !== null;
}

// What the address names is there only now: the browser has looked for it in vain.
function reveal() {
  const target = byId(location.hash.slice(1));
  if (target?.tagName === "DETAILS") target.open = true;
  target?.scrollIntoView();
}

fetch("openapi.json").then((answer) => answer.json()).then((api) => {
  show(api);
  byId("filter").addEventListener("input", filter);
  addEventListener("hashchange", reveal);
  reveal();
}).catch((error) => byId("operations").append(make("p", { className: "bad" }, `openapi.json: ${error.message}`)));
