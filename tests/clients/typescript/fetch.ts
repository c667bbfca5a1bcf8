// What generated_clients_test.py does with openapi-generator's typescript-fetch client: URL TOKEN CLIENT_KRN.
import {
  Configuration, ProblemFromJSON, ProgressApi, ResponseError, ServiceApi, SortOrder,
  type BatchUpdateCounted, type BatchUpdateProblem, type ListedRecord, type ProgressRecord, type Update,
} from "./client/index.js";

const [url, token, clientKrn] = process.argv.slice(2) as [string, string, string];
const configuration = new Configuration({ basePath: url, accessToken: token });
const api = new ProgressApi(configuration);

const update: Update = {
  filename: "a.csv",
  counts: { done: Number.MAX_SAFE_INTEGER, warn: 0, failed: 1 },
  errors: [{ line: Number.MAX_SAFE_INTEGER, message: "Not a date", code: "E-17" }],
};
const created = await api.reportProgress({ clientKrn, update, idempotencyKey: '"run-7/1"' });
const again = await api.reportProgressRaw({ clientKrn, update, idempotencyKey: '"run-7/1"' });
const record = await api.readProgress({ clientKrn, filename: "a.csv" }) as ProgressRecord;
const byId = await api.readProgressById({ clientKrn, id: record.id });
const other: Update = { filename: "b.csv", counts: { done: 1, warn: 0, failed: 0 }, total: Number.MAX_SAFE_INTEGER };
const batch = await api.reportBatch({ clientKrn, batch: [other, update], idempotencyKey: '"run-8"' });
const [counted, problem] = batch.results as [BatchUpdateCounted, BatchUpdateProblem];
const listed = await api.readProgress({ clientKrn, sort: SortOrder.FILENAME }) as ListedRecord[];
const [item] = await api.readErrors({ clientKrn, id: record.id });
const [event] = await api.readHistory({ clientKrn, id: record.id });
const feed = await api.readFeed({ clientKrn, limit: 1 });
const summary = await api.readSummary({ clientKrn });
const missing = await api.readProgress({ clientKrn, filename: "missing.csv" }).then(
  () => { throw new Error("it is there"); },
  async (error: ResponseError) => ProblemFromJSON(await error.response.json()));
const health = await new ServiceApi(configuration).readHealth();
await api.deleteProgress({ clientKrn, id: listed[1]!.id });

console.log(JSON.stringify({
  result: created.result, replayed: again.raw.headers.get("Idempotent-Replayed"), done: record.counts.done,
  total: record.total, completedAt: record.completedAt, created: record.createdAt.getFullYear() > 2000,
  sameId: byId.id === record.id, succeeded: batch.succeeded, counted: [counted.status, counted.result, counted.total],
  problem: [problem.status, problem.error], listed: listed.map((one) => one.filename),
  line: item!.line, code: item!.code, channel: event!.channel, position: event!.position,
  feed: [feed.events.length, feed.events[0]!.filename, feed.more], files: summary.files,
  missing: ["Problem", missing.status, missing.error], health: health.length > 0,
}));
