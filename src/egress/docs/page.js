"use strict";
// Shows openapi.json, which stands beside this page. What it says only ever becomes text, never markup; the policy that
// the page is served with (trusted types) would refuse anything else.

let api;

/** An element with attributes and children; a string is text, null is nothing. */
function make(name, attributes = {}, ...children) {
  const out = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) out.setAttribute(key, value);
  out.append(...children.flat(Infinity).filter((child) => child !== null && child !== ""));
  return out;
}

/** Follows a reference within the document; what stands beside `$ref` goes first. */
function resolved(value) {
  if (!value || typeof value.$ref !== "string") return value || {};
  const steps = value.$ref.slice(2).split("/").map((step) => step.replace(/~1/g, "/").replace(/~0/g, "~"));
  const { $ref, ...own } = value;
  return { ...resolved(steps.reduce((at, step) => (at || {})[step], api)), ...own };
}

function nameOf(value) {
  return value && value.$ref ? value.$ref.split("/").pop() : null;
}

/** `code` and **strong** within a line. */
function inline(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) => {
    if (/^`.+`$/.test(part)) return make("code", {}, part.slice(1, -1));
    if (/^\*\*.+\*\*$/.test(part)) return make("strong", {}, part.slice(2, -2));
    return part;
  });
}

function paragraphs(text) {
  return (text || "").split(/\n\n+/).filter(Boolean).map((part) => make("p", {}, inline(part)));
}

function shown(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

function block(text) {
  // Scrolls sideways, so it has to be reachable with the keyboard.
  return make("pre", { tabindex: "0" }, make("code", {}, text));
}

function typeOf(schema) {
  if (!schema) return "any";
  if (nameOf(schema) && api.components.schemas[nameOf(schema)]) {
    const target = resolved(schema);
    const types = [target.type].flat();
    if (types.includes("object")) {
      const link = make("a", { href: "#schema-" + nameOf(schema) }, nameOf(schema));
      return types.includes("null") ? [link, " or null"] : link;
    }
  }
  const whole = resolved(schema);
  const choices = whole.oneOf || whole.anyOf;
  if (choices) return choices.flatMap((choice, i) => [i ? " or " : "", typeOf(choice)].flat());
  if ([whole.type].flat().includes("array"))
    return ["array of ", typeOf(whole.items)].flat().concat([whole.type].flat().includes("null") ? [" or null"] : []);
  return [whole.type || "any"].flat().join(" or ");
}

/** The limits that a schema sets, in words. */
function rulesOf(schema) {
  const whole = resolved(schema);
  const out = [];
  const number = (value) => (value === Number.MAX_SAFE_INTEGER ? "2^53 − 1" : value.toLocaleString("en"));
  const range = (low, high, unit) => {
    if (low === undefined && high === undefined) return;
    const bounds = high === undefined ? `at least ${number(low)}`
      : low === undefined ? `at most ${number(high)}` : `${number(low)} to ${number(high)}`;
    out.push(bounds + unit);
  };
  if (whole.const !== undefined) out.push("always " + JSON.stringify(whole.const));
  if (whole.enum) out.push("one of " + whole.enum.map((value) => JSON.stringify(value)).join(", "));
  range(whole.minimum, whole.maximum, "");
  range(whole.minLength, whole.maxLength, " characters");
  range(whole.minItems, whole.maxItems, " items");
  if (whole.default !== undefined) out.push("default " + JSON.stringify(whole.default));
  const texts = out.map((text) => make("div", { class: "rule" }, text));
  if (whole.pattern) texts.push(make("div", { class: "rule" }, "matches ", make("code", {}, whole.pattern)));
  return texts;
}

function table(heads, rows) {
  return make("div", { class: "wide" }, make("table", {},
    make("tr", {}, heads.map((head) => make("th", { scope: "col" }, head))),
    rows.map((cells) => make("tr", {}, cells.map((cell) => make("td", {}, cell))))));
}

function members(schema) {
  const required = schema.required || [];
  const rows = Object.entries(schema.properties || {}).map(([name, member]) => [
    [make("code", {}, name), required.includes(name) ? make("div", { class: "need" }, "required") : null],
    typeOf(member),
    [...paragraphs(resolved(member).description), ...rulesOf(member)],
  ]);
  return table(["Member", "Type", "What"], rows);
}

function exampleBlocks(media) {
  return Object.values(media.examples || {}).map(resolved).flatMap((example) => [
    example.summary ? make("p", { class: "label" }, inline(example.summary)) : null,
    block(shown(example.value)),
  ]);
}

function contents(content) {
  return Object.entries(content || {}).flatMap(([type, media]) => [
    make("p", { class: "label" }, make("code", {}, type), ": ", typeOf(media.schema)),
    ...(nameOf(media.schema) ? [] : rulesOf(media.schema)),
    ...exampleBlocks(media),
  ]);
}

function firstExample(holder) {
  const [example] = Object.values(holder.examples || {});
  return example === undefined ? undefined : resolved(example).value;
}

function quoted(text) {
  return "'" + text.replace(/'/g, "'\\''") + "'";
}

function curl(path, method, operation, parameters) {
  const base = new URL(".", location.href).href.replace(/\/$/, "");
  const value = (parameter) => firstExample(parameter) ?? "";
  let url = base + path.replace(/\{(\w+)\}/g, (_, name) =>
    encodeURIComponent(value(parameters.find((p) => p.in === "path" && p.name === name) || {})).replace(/%3A/g, ":"));
  const query = parameters.find((p) => p.in === "query");
  if (query) url += `?${query.name}=${encodeURIComponent(value(query))}`;
  const lines = ["curl " + quoted(url)];
  if ((operation.security || api.security || []).some((way) => Object.keys(way).length) && method !== "get")
    lines.push('-H "Authorization: Bearer $TOKEN"');
  const body = operation.requestBody && resolved(operation.requestBody).content;
  if (body) {
    const [[type, media]] = Object.entries(body);
    lines.push("-H " + quoted("Content-Type: " + type));
    for (const header of parameters.filter((p) => p.in === "header" && p.name === "Idempotency-Key"))
      lines.push("-H " + quoted(header.name + ": " + value(header)));
    lines.push("-d " + quoted(JSON.stringify(firstExample(media))));
  }
  if (method !== "get" && method !== "post") lines.splice(1, 0, "-X " + method.toUpperCase());
  return lines.join(" \\\n  ");
}

function access(operation) {
  const ways = operation.security || api.security || [];
  if (!ways.length) return "No token";
  return ways.some((way) => !Object.keys(way).length) ? "Token where the server asks for one" : "Bearer token";
}

function responseOf(status, response) {
  const headers = Object.entries(response.headers || {}).map(([name, header]) => [name, resolved(header)]);
  return make("details", {},
    make("summary", {}, make("span", { class: status >= "400" ? "status bad" : "status" }, status),
      inline(response.description)),
    make("div", {},
      headers.length ? table(["Header", "Type", "What"], headers.map(([name, header]) => [
        make("code", {}, name), typeOf(header.schema),
        [...paragraphs(header.description), ...Object.values(header.examples || {}).map((example) =>
          make("div", { class: "rule" }, make("code", {}, String(resolved(example).value))))]])) : null,
      contents(response.content)));
}

function card(path, method, item, operation) {
  const parameters = [...(item.parameters || []), ...(operation.parameters || [])].map(resolved);
  const body = operation.requestBody && resolved(operation.requestBody);
  return make("section", { class: "card", id: operation.operationId, "aria-labelledby": operation.operationId + "-h" },
    make("h3", { id: operation.operationId + "-h" }, operation.summary),
    make("div", { class: "route" },
      make("span", { class: "method " + method }, method.toUpperCase()), make("code", {}, path),
      make("span", { class: "access" }, access(operation))),
    paragraphs(operation.description),
    block(curl(path, method, operation, parameters)),
    parameters.length ? [make("h4", {}, "Parameters"), table(["Name", "In", "Type", "What"], parameters.map((p) => [
      [make("code", {}, p.name), p.required ? make("div", { class: "need" }, "required") : null],
      p.in, typeOf(p.schema),
      [...paragraphs(p.description), ...rulesOf(p.schema), ...Object.values(p.examples || {}).map((example) =>
        make("div", { class: "rule" }, "for example ", make("code", {}, String(resolved(example).value))))],
    ]))] : null,
    body ? [make("h4", {}, "Body"), paragraphs(body.description), contents(body.content)] : null,
    make("h4", {}, "Answers"),
    Object.entries(operation.responses).map(([status, response]) => responseOf(status, resolved(response))));
}

function schemaCard([name, schema]) {
  return make("section", { class: "card", id: "schema-" + name },
    make("h3", {}, name),
    paragraphs(schema.description),
    schema.properties ? members(schema) : [make("p", { class: "rule" }, typeOf(schema)), ...rulesOf(schema)],
    (schema.examples || []).map((example) => block(shown(example))));
}

function operationsOf(tag) {
  const out = [];
  for (const [path, item] of Object.entries(api.paths))
    for (const method of Object.keys(item))
      if ((item[method].tags || []).includes(tag))
        out.push({ path, method, item, operation: item[method] });
  return out;
}

function show() {
  const main = document.getElementById("content");
  const index = document.getElementById("index");
  const title = `${api.info.title} API`;
  document.title = title;
  const link = (href, ...text) => make("li", {}, make("a", { href }, text));
  main.replaceChildren(
    make("h1", {}, title, make("small", {}, "version " + api.info.version)),
    make("p", { class: "lead" }, api.info.summary || ""),
    ...paragraphs(api.info.description),
    make("p", {}, "The same for programs: ", make("a", { href: "openapi.json" }, "openapi.json"), "."));
  for (const tag of api.tags) {
    const operations = operationsOf(tag.name);
    main.append(make("h2", { id: "tag-" + tag.name }, tag.name), ...paragraphs(tag.description),
      ...operations.map(({ path, method, item, operation }) => card(path, method, item, operation)));
    index.append(make("h2", {}, tag.name), make("ul", {}, operations.map(({ operation }) =>
      link("#" + operation.operationId, operation.summary))));
  }
  const schemes = Object.entries(api.components.securitySchemes || {});
  main.append(make("h2", { id: "tokens" }, "Tokens"),
    ...schemes.flatMap(([, scheme]) => [...paragraphs(scheme.description)]),
    block("Authorization: Bearer <token>"),
    make("h2", { id: "schemas" }, "Schemas"), ...Object.entries(api.components.schemas).map(schemaCard));
  index.append(make("h2", {}, "More"), make("ul", {}, link("#tokens", "Tokens"), link("#schemas", "Schemas"),
    link("openapi.json", "openapi.json")));
  // The place that the address names was not there yet when the page was loaded.
  const place = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (place) place.scrollIntoView();
}

async function load() {
  try {
    const answer = await fetch("openapi.json", { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error("it was answered with " + answer.status);
    api = await answer.json();
    show();
  } catch (fault) {
    document.getElementById("state").append(
      make("span", { class: "fault" }, " It could not be shown: " + fault.message + "."));
  }
}

load();
