#!/usr/bin/env python3
"""Processes a CSV file as worker.py does and reports through a FIFO queue of SQS, which Pebbles consumes. Needs boto3.

Region and credentials are found in boto3's usual places: AWS_DEFAULT_REGION, AWS_PROFILE, the role of the machine.
Exits 0 when every report is in the queue, 1 when one was refused, 2 on wrong usage, 3 when SQS stayed away too long.
"""
import hashlib
import json
import re
import sys
import time

import boto3
import botocore.config
import botocore.exceptions
import worker

passing = {"RequestThrottled", "ThrottlingException", "Throttling", "ServiceUnavailable", "InternalError"}


class Queue:
    """Sends reports of one file. SQS delivers the messages of a group in their order, so the last report comes last.
    The event id is the same when a report is sent again, by this run or by the next: it counts once."""

    items_max = 500  # of a report: a message has at most 256 KiB in many queues

    def __init__(self, sqs, rules, filename, run_id):
        self.sqs, self.url, self.retry_seconds = sqs, rules.queue_url, rules.retry_seconds
        self.whose = {"clientKrn": rules.client, "email": rules.email}
        self.group, self.run_id, self.sent = group_of(rules.client, filename), run_id, 0

    def report(self, update):
        self.sent += 1
        event_id = f"{self.run_id}-{self.sent}"
        body = json.dumps({**update, **self.whose, "eventId": event_id})
        deadline = time.monotonic() + self.retry_seconds
        while True:
            try:
                self.sqs.send_message(QueueUrl=self.url, MessageBody=body, MessageGroupId=self.group,
                                      MessageDeduplicationId=event_id)
                return
            except botocore.exceptions.ClientError as error:
                if error.response["Error"]["Code"] not in passing:
                    raise worker.Refused(error) from error
                problem = error
            except (botocore.exceptions.ConnectionError, botocore.exceptions.HTTPClientError) as error:
                problem = error
            except botocore.exceptions.BotoCoreError as error:  # such as no credentials
                raise worker.Refused(error) from error
            if time.monotonic() + 1 > deadline:
                raise worker.Away(problem) from problem
            time.sleep(1)  # behind the tries and pauses of boto3's own

    def summary(self):
        return f"{self.sent} messages"


def group_of(client, filename):
    """One group for each file. SQS takes 128 letters, digits and punctuation marks of ASCII: other names are hashed."""
    name = f"{client}/{filename}"
    return name if re.fullmatch("[!-~]{1,128}", name) else hashlib.sha256(name.encode()).hexdigest()


def main():
    parser = worker.parser_of(__doc__)
    parser.add_argument("--queue-url", required=True, help="of a FIFO queue")
    parser.add_argument("--email", required=True, help="whose file it is")
    rules = parser.parse_args()
    try:
        sqs = boto3.client("sqs", config=botocore.config.Config(retries={"mode": "standard"}))
    except botocore.exceptions.BotoCoreError as error:  # such as no region
        parser.error(str(error))
    return worker.run(parser, rules, lambda filename, run_id: Queue(sqs, rules, filename, run_id))


if __name__ == "__main__":
    sys.exit(main())
