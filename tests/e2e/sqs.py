"""What tests do to queues with somebody else's client (boto3), on the real service of elasticmq.py."""
import itertools
import json
import os
import time
from dataclasses import dataclass, field

import boto3
import botocore.config
from elasticmq import ElasticMq
from harness import wait_until

names = itertools.count(1)
batch_max = 10  # of one request, as SQS has it
key_id, secret_key = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"  # AWS's own example
credentials_env = {"AWS_REGION": ElasticMq.region, "AWS_ACCESS_KEY_ID": key_id, "AWS_SECRET_ACCESS_KEY": secret_key}


def new_name(kind="queue"):
    """Of a queue that nothing else uses on a service that tests share; those of FIFO queues end with .fifo."""
    return f"{kind}-{os.getpid()}-{next(names)}"


@dataclass
class Message:
    """To be sent, or as it was received. Attributes are texts by name."""

    body: str
    attributes: dict = field(default_factory=dict)
    group: str | None = None  # of a FIFO queue
    deduplication_id: str | None = None
    id: str | None = None
    receipt: str | None = None
    system: dict = field(default_factory=dict)

    @property
    def receive_count(self):
        return int(self.system["ApproximateReceiveCount"])


def client_of(url, region=ElasticMq.region):
    """Of any service that speaks the protocol; it tries again over restarts."""
    config = botocore.config.Config(connect_timeout=5, read_timeout=30, proxies={},
                                    retries={"max_attempts": 8, "mode": "standard"})
    return boto3.session.Session(key_id, secret_key, region_name=region).client("sqs", endpoint_url=url, config=config)


class Client:
    """Makes queues on one service."""

    def __init__(self, service):
        self.service = service
        self.boto = client_of(service.url)
        self.repeated = []  # messages that boto3 sent again: they may be in the queue twice

    def create(self, name=None, *, dead_letters=None, receives_max=5, **attributes):
        """A queue; `attributes` are those of SQS, such as VisibilityTimeout=4 or FifoQueue="true". `dead_letters` is
        the queue to which its redrive policy moves a message that was received `receives_max` times."""
        if dead_letters is not None:
            policy = {"deadLetterTargetArn": dead_letters.arn, "maxReceiveCount": receives_max}
            attributes["RedrivePolicy"] = json.dumps(policy)
        name = name or new_name() + (".fifo" if attributes.get("FifoQueue") == "true" else "")
        made = self.boto.create_queue(QueueName=name, Attributes={k: str(v) for k, v in attributes.items()})
        return Queue(self, made["QueueUrl"])

    def env(self, queue, **more):
        """Settings of a server that consumes this queue."""
        return {"SQS_ENABLED": "true", "SQS_QUEUE_URL": queue.url, "SQS_ENDPOINT": self.service.url,
                "SQS_WAIT_S": "1",  # a stop waits for the open poll
                **credentials_env, **more}

    def producer_env(self):
        """Settings of a program that uses boto3."""
        return {"AWS_ENDPOINT_URL_SQS": self.service.url, "AWS_DEFAULT_REGION": ElasticMq.region, **credentials_env}


class Queue:
    """One queue. Every call waits until the service has done what was asked."""

    def __init__(self, client, url):
        self.client, self.boto, self.url = client, client.boto, url

    @property
    def arn(self):
        return self.attribute("QueueArn")

    def attribute(self, name):
        return self.boto.get_queue_attributes(QueueUrl=self.url, AttributeNames=[name])["Attributes"][name]

    def depth(self):
        """(visible, in flight, delayed)."""
        asked = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible",
                 "ApproximateNumberOfMessagesDelayed"]
        found = self.boto.get_queue_attributes(QueueUrl=self.url, AttributeNames=asked)["Attributes"]
        return tuple(int(found[name]) for name in asked)

    def wait_empty(self, timeout=60):
        wait_until(lambda: not any(self.depth()), timeout, f"the end of {self.url}")

    def send(self, messages):
        """Messages, or bare bodies; gives their ids in order."""
        wanted = [message if isinstance(message, Message) else Message(message) for message in messages]
        ids = []
        for start in range(0, len(wanted), batch_max):
            batch = wanted[start:start + batch_max]
            entries = [entry_of(str(number), message) for number, message in enumerate(batch)]
            answer = self.boto.send_message_batch(QueueUrl=self.url, Entries=entries)
            self.client.repeated += batch * answer["ResponseMetadata"]["RetryAttempts"]
            assert not answer.get("Failed"), answer["Failed"]
            ids += [sent["MessageId"] for sent in sorted(answer["Successful"], key=lambda sent: int(sent["Id"]))]
        return ids

    def receive(self, count=batch_max, *, wait=0, **options):
        """One batch, which stays in flight for as long as the queue, or VisibilityTimeout=…, says."""
        answer = self.boto.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=count, WaitTimeSeconds=wait, MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"], **options)
        return [read_message(message) for message in answer.get("Messages", [])]

    def delete(self, messages):
        for start in range(0, len(messages), batch_max):
            entries = [{"Id": str(number), "ReceiptHandle": message.receipt}
                       for number, message in enumerate(messages[start:start + batch_max])]
            answer = self.boto.delete_message_batch(QueueUrl=self.url, Entries=entries)
            assert not answer.get("Failed"), answer["Failed"]

    def take_all(self, timeout=60):
        """Receives and deletes every message until there is none, those in flight included."""
        out = []
        deadline = time.monotonic() + timeout
        while any(self.depth()):
            assert time.monotonic() < deadline, f"{self.url} has {self.depth()} after {timeout} s"
            if batch := self.receive(wait=1):
                self.delete(batch)
                out += batch
        return out


def entry_of(number, message):
    entry = {"Id": number, "MessageBody": message.body}
    if message.attributes:
        entry["MessageAttributes"] = {name: {"DataType": "String", "StringValue": value}
                                      for name, value in message.attributes.items()}
    if message.group is not None:
        entry["MessageGroupId"] = message.group
    if message.deduplication_id is not None:
        entry["MessageDeduplicationId"] = message.deduplication_id
    return entry


def read_message(message):
    attributes = {name: value.get("StringValue") for name, value in message.get("MessageAttributes", {}).items()}
    system = message.get("Attributes", {})
    return Message(message["Body"], attributes, system.get("MessageGroupId"), system.get("MessageDeduplicationId"),
                   message["MessageId"], message["ReceiptHandle"], system)
