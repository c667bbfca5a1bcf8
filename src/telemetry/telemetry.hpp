#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/log.hpp"

/// One function per thing that happened. These functions alone write log lines (and later metrics), so that what the
/// service says is found in one place. Threads: any. Texts of tenants are escaped before they are written.
namespace pebbles::telemetry {

void server_listening(std::string_view host, std::uint16_t port, std::string_view version);
void metrics_listening(std::string_view host, std::uint16_t port);
/// A setting is allowed, and probably not what was meant.
void setting_doubted(std::string_view setting, std::string_view what);
void server_stopping(std::string_view why);
void server_stopped(bool drained);

/// A request and what was answered.
struct RequestFacts {
  std::string_view method;  ///< empty, as the path and the trace, when its head made no sense
  std::string_view path;
  int status = 0;
  std::chrono::steady_clock::duration took{};  ///< from its head to the last byte of the answer
  std::size_t bytes = 0;                       ///< that were sent
  std::string_view client;
  std::string_view file;
  std::string_view request_id;
  std::string_view trace_id;
};
/// For debugging; ask `is_logged` before gathering the facts.
void request_done(const RequestFacts& facts);
/// The service's own fault: 500 or 503.
void request_failed(const RequestFacts& facts);
void handler_threw(std::string_view request_id, std::string_view what);
/// A streamed answer ended before its end.
void answer_cut(std::string_view request_id, std::string_view why);
void connection_failed(std::string_view what);
void accept_failed(std::string_view what);

void store_opened(std::string_view path, std::int64_t replayed_chunks, std::int64_t milliseconds);
/// The store takes no commits; said once until `store_commits_again`.
void store_refuses_commits(std::string_view what);
void store_commits_again(std::int64_t failed_batches);
/// A file of the store can be read or written by others than its owner, and that could not be changed.
void store_file_open(std::string_view path, std::string_view what);
void checkpoint_failed(std::string_view what);
void read_failed(std::string_view what);
/// A stream could not be loaded; its updates are answered "try again".
void load_failed(std::string_view client, std::string_view filename, std::string_view what);
void append_refused(std::string_view client, std::string_view filename);

/// What was too old was taken away.
void pruned(std::int64_t files, std::int64_t events, std::int64_t tombstones, std::chrono::steady_clock::duration took);
void prune_failed(std::string_view what);

/// MongoDB's driver complains.
void driver_warned(std::string_view domain, std::string_view what);
/// MongoDB does not answer; said once until it does.
void database_away(std::string_view what);
void database_answers_again();
/// The replica set has an arbiter: with a member down, a majority that holds data may not be there.
void database_has_arbiter();
/// Files whose snapshots a dead instance had left behind the log were caught up with.
void snapshots_caught_up(std::int64_t files);
/// An instance that says nothing any more was given up; its sessions were ended.
void instance_given_up();
/// A walk through all documents for those of earlier services and versions has ended; logged at debug level where it
/// found none.
void documents_converted(std::int64_t looked_at, std::int64_t converted);
void clock_differs(std::int64_t milliseconds);

/// A key of JWT_PUBLIC_KEY_FILE cannot verify and was left out.
void key_file_key_skipped(std::string_view path, std::string_view why);
/// An issuer's keys were fetched and are others than before, or are there again; `skipped` says why some were left out.
void issuer_keys_fetched(std::string_view url, std::size_t keys, const std::vector<std::string>& skipped);
/// They cannot be fetched; said once until they can. What was fetched before goes on serving.
void issuer_keys_unavailable(std::string_view url, std::string_view what);

/// A message of a queue. `id` is its position in a log, or what its queue calls it.
struct MessageFacts {
  std::string_view source;
  std::string_view id;
  std::string_view client;  ///< this and the next as far as it says so
  std::string_view file;
  std::string_view trace_id;
  std::string_view reason = {};  ///< why it can never be counted
  std::string_view detail = {};
};
/// For debugging; ask `is_logged` before gathering the facts.
void message_read(const MessageFacts& facts);
void message_dead_lettered(const MessageFacts& facts);

/// librdkafka complains.
void kafka_warned(std::string_view facility, std::string_view what);
/// Something about Kafka did not work, and is tried again where that can help.
void kafka_failed(std::string_view part, std::string_view what);
/// No broker answers; said once until one does.
void kafka_away(std::string_view what);
void kafka_answers_again();
/// The topic is not there; it is waited for.
void kafka_topic_missing(std::string_view topic);
/// The settings name brokers, but Kafka is not switched on.
void kafka_not_enabled();
void kafka_assigned(std::string_view topic, std::size_t partitions);
/// `lost`: the group had given them to others before.
void kafka_revoked(std::string_view topic, std::size_t partitions, bool lost);
/// Messages that were not read yet are gone: the partition's log begins at `to` by now, and `from` was to be read.
void kafka_messages_expired(std::string_view topic, std::int32_t partition, std::int64_t from, std::int64_t to);
/// A call to SQS fails, in a way in which it did not before, or still; what it is for is tried again.
void sqs_failed(std::string_view call, std::string_view kind, std::string_view code, std::string_view what);
void sqs_answers_again(std::string_view call);
/// The settings name a queue, but SQS is not switched on.
void sqs_not_enabled();
/// The queue has neither a redrive policy nor SQS_DLQ_URL: what can never be counted stays in it.
void sqs_keeps_poison(std::string_view queue);
/// A message that can never be counted was left in its queue.
void sqs_poison_left(const MessageFacts& facts, std::int64_t deliveries);
void sqs_delete_refused(std::string_view code, std::string_view what);
void sqs_checksum_differs(std::string_view id);
/// The queue's visibility timeout is too short to work with.
void sqs_visibility_too_short(std::string_view queue, std::chrono::seconds timeout);
/// Dead letters wait for their topic, and their partitions with them; said once until they are written.
void dead_letters_not_written(std::string_view topic, std::string_view what);
void dead_letters_written_again();

/// Credentials for AWS were found; said again when they come from elsewhere, or come again.
void aws_credentials_found(std::string_view source);
/// They could not be fetched; said once until they can. `valid`: those of before go on serving until they expire.
void aws_credentials_not_fetched(std::string_view what, bool valid);

}  // namespace pebbles::telemetry
