// What generated_clients_test.py does with the types of openapi-typescript, and openapi-fetch: URL TOKEN CLIENT_KRN.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Schemas = components["schemas"];
const [url, token, clientKrn] = process.argv.slice(2) as [string, string, string];
// These two types of answers, not NDJSON and CSV.
const api = createClient<paths, "application/json" | "application/problem+json">({
  baseUrl: url, headers: { Authorization: `Bearer ${token}` },
});

function data<T>(answer: { data?: T; error?: Schemas["Problem"] }): T {
  if (answer.data === undefined) throw new Error(answer.error?.detail);
  return answer.data;
}

const body: Schemas["Update"] = {
  filename: "a.csv",
  counts: { done: Number.MAX_SAFE_INTEGER, warn: 0, failed: 1 },
  errors: [{ line: Number.MAX_SAFE_INTEGER, message: "Not a date", code: "E-17" }],
};
const header = { "Idempotency-Key": '"run-7/1"' };
const progress = "/clients/{clientKrn}/progress";
const created = data(await api.POST(progress, { params: { path: { clientKrn }, header }, body }));
const again = await api.POST(progress, { params: { path: { clientKrn }, header }, body });
const record = data(await api.GET(progress, { params: { path: { clientKrn }, query: { filename: "a.csv" } } }));
if (Array.isArray(record)) throw new Error("a list");
const path = { clientKrn, id: record.id };
const byId = data(await api.GET(`${progress}/{id}`, { params: { path } }));
const other: Schemas["Update"] = {
  filename: "b.csv", counts: { done: 1, warn: 0, failed: 0 }, total: Number.MAX_SAFE_INTEGER,
};
const batch = data(await api.POST(`${progress}/batch`, {
  params: { path: { clientKrn }, header: { "Idempotency-Key": '"run-8"' } }, body: [other, body],
}));
const [counted, problem] = batch.results;
if (!counted || !("result" in counted) || !problem || !("error" in problem)) throw new Error("other results");
const listed = data(await api.GET(progress, { params: { path: { clientKrn }, query: { sort: "filename" } } }));
if (!Array.isArray(listed)) throw new Error("not a list");
const [item] = data(await api.GET(`${progress}/{id}/errors`, { params: { path } }));
const [event] = data(await api.GET(`${progress}/{id}/events`, { params: { path } }));
const feed = data(await api.GET("/clients/{clientKrn}/events", {
  params: { path: { clientKrn }, query: { limit: 1 } },
}));
const summary = data(await api.GET("/clients/{clientKrn}/summary", { params: { path: { clientKrn } } }));
const missing = await api.GET(progress, { params: { path: { clientKrn }, query: { filename: "missing.csv" } } });
if (!missing.error) throw new Error("it is there");
const health = data(await api.GET("/health", { params: { query: { verbose: "" } } }));
await api.DELETE(`${progress}/{id}`, { params: { path: { clientKrn, id: listed[1]!.id } } });

console.log(JSON.stringify({
  result: created.result, replayed: again.response.headers.get("Idempotent-Replayed"), done: record.counts.done,
  total: record.total, completedAt: record.completedAt, created: new Date(record.createdAt).getFullYear() > 2000,
  sameId: byId.id === record.id, succeeded: batch.succeeded, counted: [counted.status, counted.result, counted.total],
  problem: [problem.status, problem.error], listed: listed.map((one) => one.filename),
  line: item!.line, code: item!.code, channel: event!.channel, position: event!.position,
  feed: [feed.events.length, feed.events[0]!.filename, feed.more], files: summary.files,
  missing: ["Problem", missing.error.status, missing.error.error], health: health.status === "ok",
}));
