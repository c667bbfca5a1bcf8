"""What a user would write by hand: a loop of boto3 that receives, adds the counts up in MongoDB, and deletes. It knows
no duplicate and keeps no log. A peer of the benchmark of SQS, run by sqs.py."""
import argparse
import json
import threading

import boto3
import botocore.config
import pymongo


def consume(arguments, files):
    config = botocore.config.Config(proxies={})
    sqs = boto3.session.Session().client("sqs", endpoint_url=arguments.endpoint, config=config)
    while True:
        answer = sqs.receive_message(QueueUrl=arguments.queue, MaxNumberOfMessages=10, WaitTimeSeconds=20)
        if messages := answer.get("Messages", []):
            files.bulk_write([change_of(json.loads(message["Body"])) for message in messages], ordered=False)
            sqs.delete_message_batch(QueueUrl=arguments.queue, Entries=[
                {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                for number, message in enumerate(messages)])


def change_of(update):
    changes = {f"counts.{name}": value for name, value in update["counts"].items()}
    latest = {"email": update["email"], "total": update["total"]}
    return pymongo.UpdateOne({"clientKrn": update["clientKrn"], "filename": update["filename"]},
                             {"$inc": changes, "$set": latest}, upsert=True)


def main():
    parser = argparse.ArgumentParser()
    for name in ("--endpoint", "--queue", "--mongo-uri", "--database"):
        parser.add_argument(name, required=True)
    parser.add_argument("--pollers", type=int, required=True)
    arguments = parser.parse_args()
    database = pymongo.MongoClient(arguments.mongo_uri, w="majority").get_database(arguments.database)
    files = database.get_collection("peer")
    files.create_index(["clientKrn", "filename"], unique=True)
    threads = [threading.Thread(target=consume, args=(arguments, files), daemon=True)
               for _ in range(arguments.pollers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
