"""What generated_clients_test.py does with openapi-generator's client for Python: URL TOKEN CLIENT_KRN."""
import json
import sys

import pebbles_client
from pebbles_client import AddedCounts, Batch, ProgressApi, ReportedItem, ServiceApi, Update

url, token, krn = sys.argv[1:]
largest = 2**53 - 1
api = ProgressApi(pebbles_client.ApiClient(pebbles_client.Configuration(host=url, access_token=token)))

update = Update(filename="a.csv", counts=AddedCounts(done=largest, warn=0, failed=1),
                errors=[ReportedItem(line=largest, message="Not a date", code="E-17")])
created = api.report_progress(krn, update, idempotency_key='"run-7/1"')
again = api.report_progress_with_http_info(krn, update, idempotency_key='"run-7/1"')
record = api.read_progress(krn, filename="a.csv").actual_instance
by_id = api.read_progress_by_id(krn, record.id)
other = Update(filename="b.csv", counts=AddedCounts(done=1, warn=0, failed=0), total=largest)
batch = api.report_batch(krn, Batch([other, update]), idempotency_key='"run-8"')
counted, problem = (result.actual_instance for result in batch.results)
listed = api.read_progress(krn, sort="filename").actual_instance
item = api.read_errors(krn, record.id)[0]
event = api.read_history(krn, record.id)[0]
feed = api.read_feed(krn, limit=1)
summary = api.read_summary(krn)
missing = None
try:
    api.read_progress(krn, filename="missing.csv")
except pebbles_client.exceptions.NotFoundException as error:
    missing = error.data
api.delete_progress(krn, listed[1].id)

print(json.dumps({
    "result": created.result.value, "replayed": again.headers["Idempotent-Replayed"], "done": record.counts.done,
    "total": record.total, "completedAt": record.completed_at, "created": record.created_at.year > 2000,
    "sameId": by_id.id == record.id, "succeeded": batch.succeeded,
    "counted": [counted.status, counted.result.value, counted.total], "problem": [problem.status, problem.error],
    "listed": [one.filename for one in listed], "line": item.line, "code": item.code, "channel": event.channel.value,
    "position": event.position, "feed": [len(feed.events), feed.events[0].filename, feed.more], "files": summary.files,
    "missing": [type(missing).__name__, missing.status, missing.error],
    "health": ServiceApi(api.api_client).read_health() is not None}))
