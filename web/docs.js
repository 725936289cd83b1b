"use strict";
// Shows /openapi.json and tries its operations on this server. Texts go into the page as text only, never as markup.

const $ = (id) => document.getElementById(id);
let api;

function make(tag, options = {}, ...children) {
  const { dataset, ...rest } = options;
  const node = Object.assign(document.createElement(tag), rest);
  Object.assign(node.dataset, dataset || {});
  node.append(...children);
  return node;
}

function notice(text) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
}

// ---- schemas

function resolved(schema) {
  while (schema && schema.$ref) schema = schema.$ref.slice(2).split("/").reduce((at, step) => at[step], api);
  return schema || {};
}

// All properties of a schema, those of its parts too.
function shape(schema) {
  const s = resolved(schema);
  const out = { properties: { ...s.properties }, required: [...(s.required || [])] };
  for (const part of s.allOf || []) {
    const more = shape(part);
    Object.assign(out.properties, more.properties);
    out.required.push(...more.required);
  }
  return out;
}

function typeOf(schema) {
  const s = resolved(schema);
  if (s.const !== undefined) return JSON.stringify(s.const);
  if (s.enum) return s.enum.map((v) => JSON.stringify(v)).join(" | ");
  if (s.type === "array") return `list of ${typeOf(s.items)}`;
  const name = schema && schema.$ref ? schema.$ref.split("/").pop() : "";
  const type = Array.isArray(s.type) ? s.type.join(" | ") : s.type || (s.allOf ? "object" : "any");
  return name || (s.contentMediaType ? "file" : s.format ? `${type} (${s.format})` : type);
}

function boundsOf(schema) {
  const s = resolved(schema);
  const range = (low, high, unit) => (low === undefined && high === undefined ? "" : `${low ?? ""}…${high ?? ""}${unit}`);
  return [
    range(s.minimum, s.maximum, ""),
    range(s.minLength, s.maxLength, " characters"),
    range(s.minItems, s.maxItems, " items"),
    s.pattern ? `like ${s.pattern}` : "",
    s.default === undefined ? "" : `default ${JSON.stringify(s.default)}`,
  ].filter(Boolean).join(", ");
}

// What is said of fields that are always there, and of the others.
const ASKED = ["required", ""], ANSWERED = ["", "may be absent"];

function schemaLine(name, schema, mark) {
  const line = make("li", {}, make("code", { textContent: name }), " ", make("span", { className: "type", textContent: [typeOf(schema), boundsOf(schema)].filter(Boolean).join(", ") }));
  if (mark) line.append(" ", make("span", { className: "mark", textContent: mark }));
  const text = schema.description || resolved(schema).description;
  if (text) line.append(" ", text);
  return line;
}

// The properties as a tree. A type that contains itself is shown once on each path.
function schemaTree(schema, marks, above = []) {
  const s = resolved(schema);
  if (s.type === "array") return schemaTree(s.items, marks, above);
  if (above.includes(s)) return null;
  const { properties, required } = shape(s);
  if (Object.keys(properties).length === 0) return null;
  const list = make("ul", { className: above.length ? "schema" : "schema top" });
  for (const [name, property] of Object.entries(properties)) {
    const line = schemaLine(name, property, marks[required.includes(name) ? 0 : 1]);
    const inner = schemaTree(property, marks, [...above, s]);
    if (inner) line.append(inner);
    list.append(line);
  }
  return list;
}

function example(schema, above = []) {
  const s = resolved(schema);
  if (above.includes(s)) return null;
  if (s.default !== undefined) return s.default;
  if (s.const !== undefined) return s.const;
  if (s.enum) return s.enum[0];
  const inside = [...above, s];
  if (s.type === "array") return [example(s.items, inside)].filter((v) => v !== null);
  if (s.type === "boolean") return false;
  if (s.type === "integer" || s.type === "number") return s.minimum ?? 0;
  if (s.type === "string") return "";
  const { properties } = shape(s);
  return Object.fromEntries(Object.entries(properties).map(([name, p]) => [name, example(p, inside)]));
}

// ---- trying

function token() {
  return $("token").value.trim();
}

async function send(form, method, path, body) {
  const query = new URLSearchParams();
  const headers = {};
  let url = path;
  for (const field of form.querySelectorAll("[data-in]")) {
    const { in: where, name } = field.dataset;
    if (where === "path") url = url.replace(`{${name}}`, field.value.split("/").map(encodeURIComponent).join("/"));
    else if (field.value === "") continue;
    else if (where === "query") query.append(name, field.value);
    else headers[name] = field.value;
  }
  if (token()) headers.Authorization = `Bearer ${token()}`;
  if (typeof body === "string") headers["Content-Type"] = "application/json";
  if (query.size) url += `?${query}`;
  const begin = performance.now();
  const answer = await fetch(url, { method, headers, body, credentials: "omit" });
  const bytes = await answer.arrayBuffer();
  const type = answer.headers.get("Content-Type") || "";
  let text = /json|text|mpegurl|xml/.test(type) ? new TextDecoder().decode(bytes) : `${bytes.byteLength} bytes of ${type || "no type"}`;
  if (type.includes("json") && text) text = JSON.stringify(JSON.parse(text), null, 2);
  const shown = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
  return `${method} ${url}\n${answer.status} ${answer.statusText} · ${Math.round(performance.now() - begin)} ms\n\n${shown}\n\n${text}`;
}

function input(label, options) {
  return make("label", {}, label, make("input", { autocomplete: "off", ...options }));
}

function tryForm(path, method, operation) {
  const form = make("form", { className: "try" });
  for (const p of operation.parameters || [])
    form.append(input(`${p.name} (${p.in})`, { required: p.required, dataset: { in: p.in, name: p.name }, placeholder: String(resolved(p.schema).default ?? "") }));
  const content = operation.requestBody ? operation.requestBody.content : {};
  let body = () => undefined;
  if (content["application/json"]) {
    const area = make("textarea", { value: JSON.stringify(example(content["application/json"].schema), null, 2), spellcheck: false });
    form.append(make("label", {}, "body", area));
    body = () => area.value;
  } else if (content["multipart/form-data"]) {
    const { properties, required } = shape(content["multipart/form-data"].schema);
    const fields = Object.entries(properties).map(([name, p]) => {
      const file = Boolean(resolved(p).contentMediaType);
      const label = input(name, { type: file ? "file" : "text", name, required: required.includes(name) });
      form.append(label);
      return [name, file, label.querySelector("input")];
    });
    body = () => {
      const data = new FormData();
      for (const [name, file, field] of fields) {
        if (file && field.files[0]) data.append(name, field.files[0]);
        else if (!file && field.value) data.append(name, field.value);
      }
      return data;
    };
  }
  const out = make("pre", { hidden: true, tabIndex: 0 });
  const button = make("button", { className: "primary", textContent: `Send ${method}` });
  form.append(make("div", {}, button), out);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      out.textContent = await send(form, method, path, body());
    } catch (error) {
      out.textContent = `The request failed: ${error.message}`;
    }
    out.hidden = false;
    button.disabled = false;
  });
  return form;
}

// ---- the list

function describe(path, method, operation) {
  const box = make("div", { className: "operation" });
  const section = (title, node) => node && box.append(make("h3", { textContent: title }), node);
  const parameters = operation.parameters || [];
  if (parameters.length) {
    const list = make("ul", { className: "schema top" });
    for (const p of parameters) list.append(schemaLine(p.name, p.schema, ASKED[p.required ? 0 : 1]));
    section("Parameters", list);
  }
  for (const [type, { schema }] of Object.entries(operation.requestBody ? operation.requestBody.content : {})) section(`Body, ${type}`, schemaTree(schema, ASKED));
  for (const [type, { schema }] of Object.entries(operation.responses["200"].content || {}))
    section(`Answer, ${type}`, schemaTree(schema, ANSWERED) || make("span", { className: "type", textContent: typeOf(schema) }));
  section("Try it", tryForm(path, method, operation));
  return box;
}

function row(path, method, operation) {
  const security = operation.security || [];
  const access = security.length === 0 ? "" : security.some((s) => Object.keys(s).length === 0) ? "token optional" : "token";
  const details = make("details", { id: operation.operationId, dataset: { words: `${method} ${path} ${operation.summary}`.toLowerCase() } },
    make("summary", {}, make("span", { className: "method", textContent: method }), make("code", { textContent: path }), make("span", { textContent: operation.summary }),
      make("span", { className: "quiet", textContent: access })));
  // Made when it is opened: the document is large.
  details.addEventListener("toggle", () => details.open && details.children.length === 1 && details.append(describe(path, method, operation)));
  return details;
}

function list() {
  const areas = new Map();
  for (const [path, methods] of Object.entries(api.paths))
    for (const [method, operation] of Object.entries(methods)) {
      const area = (operation.tags || ["other"])[0];
      if (!areas.has(area)) areas.set(area, []);
      areas.get(area).push(row(path, method.toUpperCase(), operation));
    }
  for (const [area, rows] of [...areas].sort(([a], [b]) => a.localeCompare(b))) $("areas").append(make("section", {}, make("h2", { textContent: area }), ...rows));
}

function filter() {
  const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const section of $("areas").children) {
    let any = false;
    for (const details of section.querySelectorAll("details")) {
      details.hidden = !words.every((word) => details.dataset.words.includes(word));
      any = any || !details.hidden;
    }
    section.hidden = !any;
  }
}

async function signIn(event) {
  event.preventDefault();
  const answer = await fetch("/api/user/login", { method: "POST", headers: { "Content-Type": "application/json", "Accept-Language": "en" },
    body: JSON.stringify({ username: $("name").value, password: $("password").value }) });
  const body = await answer.json();
  notice(answer.ok ? "" : body.message);
  if (!answer.ok) return;
  $("token").value = body.data.token;
  $("password").value = "";
}

async function begin() {
  $("find").addEventListener("submit", (event) => event.preventDefault());
  $("filter").addEventListener("input", filter);
  $("sign-in").addEventListener("submit", (event) => signIn(event).catch((error) => notice(error.message)));
  const answer = await fetch("/openapi.json");
  if (!answer.ok) throw new Error(`/openapi.json: ${answer.status}`);
  api = await answer.json();
  $("about").textContent = `Version ${api.info.version}. Answers are {code, message, data}; failures add error, a stable word, and request_id. What you sign in as here is forgotten with the page.`;
  list();
  const wanted = document.getElementById(location.hash.slice(1));
  if (wanted instanceof HTMLDetailsElement) {
    wanted.open = true;
    wanted.scrollIntoView();
  }
}

begin().catch((error) => notice(`This page could not be loaded: ${error.message}`));
