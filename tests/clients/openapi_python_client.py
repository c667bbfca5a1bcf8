"""What generated_clients_test.py does with openapi-python-client's client: URL TOKEN CLIENT_KRN."""
import json
import sys

from pebbles_client import AuthenticatedClient
from pebbles_client.api.progress import (delete_progress, read_errors, read_feed, read_history, read_progress,
                                         read_progress_by_id, read_summary, report_batch, report_progress)
from pebbles_client.api.service import read_health
from pebbles_client.models import AddedCounts, ReportedItem, SortOrder, Update

url, token, krn = sys.argv[1:]
largest = 2**53 - 1
api = AuthenticatedClient(base_url=url, token=token)

update = Update(filename="a.csv", counts=AddedCounts(done=largest, warn=0, failed=1),
                errors=[ReportedItem(line=largest, message="Not a date", code="E-17")])
created = report_progress.sync(krn, client=api, body=update, idempotency_key='"run-7/1"')
again = report_progress.sync_detailed(krn, client=api, body=update, idempotency_key='"run-7/1"')
record = read_progress.sync(krn, client=api, filename="a.csv")
by_id = read_progress_by_id.sync(krn, record.id, client=api)
other = Update(filename="b.csv", counts=AddedCounts(done=1, warn=0, failed=0), total=largest)
batch = report_batch.sync(krn, client=api, body=[other, update], idempotency_key='"run-8"')
counted, problem = batch.results
listed = read_progress.sync(krn, client=api, sort=SortOrder.FILENAME)
item = read_errors.sync(krn, record.id, client=api)[0]
event = read_history.sync(krn, record.id, client=api)[0]
feed = read_feed.sync(krn, client=api, limit=1)
summary = read_summary.sync(krn, client=api)
missing = read_progress.sync(krn, client=api, filename="missing.csv")
assert delete_progress.sync_detailed(krn, listed[1].id, client=api).status_code == 204

print(json.dumps({
    "result": created.result.value, "replayed": again.headers["Idempotent-Replayed"], "done": record.counts.done,
    "total": record.total, "completedAt": record.completed_at, "created": record.created_at.year > 2000,
    "sameId": by_id.id == record.id, "succeeded": batch.succeeded,
    "counted": [counted.status, counted.result.value, counted.total], "problem": [problem.status, problem.error],
    "listed": [one.filename for one in listed], "line": item.line, "code": item.code, "channel": event.channel.value,
    "position": event.position, "feed": [len(feed.events), feed.events[0].filename, feed.more], "files": summary.files,
    "missing": [type(missing).__name__, missing.status, missing.error],
    "health": read_health.sync(client=api) is not None}))
