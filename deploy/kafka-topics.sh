#!/usr/bin/env bash
# Makes the topics of updates and of dead letters, unless they are there.
set -euo pipefail
for topic in progress-updates progress-updates.dlq; do
  /opt/kafka/bin/kafka-topics.sh --bootstrap-server kafka:9092 --create --if-not-exists --topic "$topic" --partitions 12
done
