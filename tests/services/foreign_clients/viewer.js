// The page of the API as a browser runs it, on as much of a document as it uses: node viewer.js URL

const assert = require("node:assert/strict");
const vm = require("node:vm");

const [registry] = process.argv.slice(2);

class Element {
  constructor(name) {
    Object.assign(this, { tagName: name.toUpperCase(), id: "", hidden: false, value: "", children: [], dataset: {} });
    this.listeners = new Map();
  }
  append(...children) { this.children.push(...children); }
  replaceChildren(...children) { this.children = children; }
  setAttribute(name, value) { this[name] = value; }
  addEventListener(kind, listener) { this.listeners.set(kind, listener); }
  scrollIntoView() { this.isShown = true; }
  get textContent() { return this.children.map((child) => child.textContent ?? child).join(""); }
  set textContent(text) { this.children = [text]; }
  get all() { return this.children.flatMap((child) => (child instanceof Element ? [child, ...child.all] : [])); }
  querySelectorAll(selector) {
    const name = selector.replace(":not([hidden])", "");
    return this.all.filter((each) => each.tagName === name.toUpperCase() && (name === selector || !each.hidden));
  }
  querySelector(selector) { return this.querySelectorAll(selector)[0] ?? null; }
}

// The page as it is with this hash, once its script has run. What it sends is kept in `sent`, unless it reads.
async function open(hash, confirm = () => true) {
  const html = await (await fetch(`${registry}/docs`)).text();
  const root = new Element("html");
  for (const [, name, id, rest] of html.matchAll(/<(\w+) id="([\w-]+)"([^>]*)>/g)) {
    root.append(Object.assign(new Element(name), { id, hidden: rest.endsWith(" hidden") }));
  }
  const page = { sent: [], byId: (id) => (id && root.all.find((each) => each.id === id)) || null, root };
  const document = {
    createElement: (name) => new Element(name),
    getElementById: page.byId,
    querySelector: (selector) => root.querySelector(selector),
    querySelectorAll: (selector) => root.querySelectorAll(selector),
  };
  const fetchAsPage = (path, options) => {
    if (options) page.sent.push(`${options.method} ${path}`);
    return fetch(new URL(path, `${registry}/docs`), options);
  };
  const script = await (await fetch(`${registry}/docs/viewer.js`)).text();
  const globals = { document, location: { hash }, confirm, fetch: fetchAsPage, URLSearchParams, performance };
  vm.runInNewContext(script, { ...globals, addEventListener: () => {} });
  while (!page.byId("operations").children.length) await new Promise(setImmediate);
  const failure = root.all.find((each) => each.className === "bad" && each.tagName === "P");
  assert.equal(failure?.textContent, undefined);
  return page;
}

async function main() {
  const page = await open("#register");
  assert.ok(page.byId("register").open && page.byId("register").isShown, "the entry is open and in sight");
  const group = (await open("#group-subjects")).byId("group-subjects");
  assert.ok(group.isShown && !group.open, "a group is in sight");

  const groups = page.byId("groups").children.map((link) => link.textContent);
  assert.deepEqual(groups.slice(0, 5), ["Subjects", "Compatibility", "Schemas", "Config and mode", "Contexts"]);
  assert.deepEqual(groups.slice(-2), ["Associations", "Pages"]);
  assert.ok(groups.length > 7 && new Set(groups).size === groups.length, groups.join());

  const about = page.byId("operations").querySelectorAll("p");
  assert.ok(about.length >= 3 && !about[0].textContent.includes("`"), "paragraphs, and code in place of backticks");
  assert.equal(about[0].querySelector("code").textContent, "/contexts/{context}");

  const body = JSON.parse(page.byId("register").querySelector("textarea").value);
  assert.equal(JSON.parse(body.schema).type, "record");

  const filter = page.byId("filter");
  for (const [words, hasNone] of [["no-such-word", true], ["register", false]]) {
    filter.value = words;
    filter.listeners.get("input")();
    assert.equal(page.byId("no-match").hidden, !hasNone, words);
  }

  for (const isConfirmed of [false, true]) {
    const asked = [];
    const page = await open("", (question) => asked.push(question) && isConfirmed);
    const submit = (id) => page.byId(id).querySelector("form").listeners.get("submit")({ preventDefault() {} });
    submit("listSubjects");
    submit("deleteGlobalConfig");
    assert.deepEqual(asked, ["Send DELETE /config?"]);
    assert.deepEqual(page.sent, isConfirmed ? ["GET ./subjects", "DELETE ./config"] : ["GET ./subjects"]);
  }
  console.log("shown");
}

main();
