#include "telemetry/telemetry.hpp"

#include <algorithm>

#include "telemetry/kafka_metrics.hpp"
#include "telemetry/log_line.hpp"

namespace pebbles::telemetry {

using enum Level;

namespace {

double milliseconds_of(std::chrono::steady_clock::duration took) {
  return std::chrono::duration<double, std::milli>(took).count();
}

/// Calls with the members of a request's line.
void with_members(const RequestFacts& facts, auto&& use) {
  use(Members{{"method", facts.method},
              {"path", facts.path},
              {"status", facts.status},
              {"ms", milliseconds_of(facts.took)},
              {"bytes", facts.bytes},
              {"client", facts.client},
              {"file", facts.file},
              {"request_id", facts.request_id},
              {"trace_id", facts.trace_id}});
}

}  // namespace

void server_listening(std::string_view host, std::uint16_t port, std::string_view version) {
  say(info, "server_listening", {{"host", host}, {"port", port}, {"version", version}});
}
void metrics_listening(std::string_view host, std::uint16_t port) {
  say(info, "metrics_listening", {{"host", host}, {"port", port}});
}

void setting_doubted(std::string_view setting, std::string_view what) {
  say(warn, "setting_doubted", {{"setting", setting}, {"what", what}});
}

void server_stopping(std::string_view why) { say(info, "server_stopping", {{"why", why}}); }
void server_stopped(bool drained) { say(drained ? info : warn, "server_stopped", {{"drained", drained}}); }
void request_done(const RequestFacts& facts) {
  with_members(facts, [](Members members) { say(debug, "request_done", members); });
}
void request_failed(const RequestFacts& facts) {
  // One flood must not hide the other.
  static RepeatedEvent unavailable{warn, "request_failed"};
  static RepeatedEvent internal{warn, "request_failed"};
  auto& kind = facts.status == 500 ? internal : unavailable;
  with_members(facts, [&](Members members) {
    if (!kind.say(members)) say(debug, "request_failed", members);
  });
}
void handler_threw(std::string_view request_id, std::string_view what) {
  static RepeatedEvent kind{error, "handler_threw"};
  kind.say({{"request_id", request_id}, {"what", what}});
}
void answer_cut(std::string_view request_id, std::string_view why) {
  static RepeatedEvent kind{warn, "answer_cut"};
  kind.say({{"request_id", request_id}, {"why", why}});
}
void connection_failed(std::string_view what) {
  static RepeatedEvent kind{error, "connection_failed"};
  kind.say({{"what", what}});
}
void accept_failed(std::string_view what) {
  static RepeatedEvent kind{warn, "accept_failed"};
  kind.say({{"what", what}});
}

void store_opened(std::string_view path, std::int64_t replayed_chunks, std::int64_t milliseconds) {
  say(info, "store_opened", {{"path", path}, {"replayed_chunks", replayed_chunks}, {"milliseconds", milliseconds}});
}
void store_refuses_commits(std::string_view what) { say(error, "store_refuses_commits", {{"what", what}}); }
void store_commits_again(std::int64_t failed_batches) {
  say(info, "store_commits_again", {{"failed_batches", failed_batches}});
}
void store_file_open(std::string_view path, std::string_view what) {
  say(warn, "store_file_open", {{"path", path}, {"what", what}});
}
void checkpoint_failed(std::string_view what) {
  static RepeatedEvent kind{warn, "checkpoint_failed"};
  kind.say({{"what", what}});
}
void read_failed(std::string_view what) {
  static RepeatedEvent kind{warn, "read_failed"};
  kind.say({{"what", what}});
}
void load_failed(std::string_view client, std::string_view filename, std::string_view what) {
  static RepeatedEvent kind{error, "load_failed"};
  kind.say({{"client", client}, {"file", filename}, {"what", what}});
}
void append_refused(std::string_view client, std::string_view filename) {
  static RepeatedEvent kind{error, "append_refused"};
  kind.say({{"client", client}, {"file", filename}});
}

void pruned(std::int64_t files, std::int64_t events, std::int64_t tombstones,
            std::chrono::steady_clock::duration took) {
  say(info, "pruned",
      {{"files", files}, {"events", events}, {"tombstones", tombstones}, {"ms", milliseconds_of(took)}});
}
void prune_failed(std::string_view what) {
  static RepeatedEvent kind{warn, "prune_failed"};
  kind.say({{"what", what}});
}

void driver_warned(std::string_view domain, std::string_view what) {
  static RepeatedEvent kind{warn, "driver_warned"};
  kind.say({{"domain", domain}, {"what", what}});
}
void database_away(std::string_view what) { say(warn, "database_away", {{"what", what}}); }
void database_answers_again() { say(info, "database_answers_again", {}); }
void database_has_arbiter() {
  say(warn, "database_has_arbiter",
      {{"what", "with a data-bearing member down, writes wait for a majority that is not there"}});
}
void snapshots_caught_up(std::int64_t files) { say(info, "snapshots_caught_up", {{"files", files}}); }
void instance_given_up() { say(warn, "instance_given_up", {}); }
void documents_converted(std::int64_t looked_at, std::int64_t converted) {
  say(converted > 0 ? info : debug, "documents_converted", {{"looked_at", looked_at}, {"converted", converted}});
}
void clock_differs(std::int64_t milliseconds) { say(warn, "clock_differs", {{"milliseconds", milliseconds}}); }

void key_file_key_skipped(std::string_view path, std::string_view why) {
  say(warn, "key_file_key_skipped", {{"path", path}, {"why", why}});
}

void issuer_keys_fetched(std::string_view url, std::size_t keys, const std::vector<std::string>& skipped) {
  say(info, "issuer_keys_fetched", {{"url", url}, {"keys", static_cast<std::int64_t>(keys)}});
  for (const auto& why : skipped) say(warn, "issuer_key_skipped", {{"url", url}, {"why", why}});
}

void issuer_keys_unavailable(std::string_view url, std::string_view what) {
  say(warn, "issuer_keys_unavailable", {{"url", url}, {"what", what}});
}

void message_read(const MessageFacts& facts) {
  say(debug, "message_read",
      {{"source", facts.source},
       {"id", facts.id},
       {"client", facts.client},
       {"file", facts.file},
       {"trace_id", facts.trace_id}});
}
void message_dead_lettered(const MessageFacts& facts) {
  static RepeatedEvent kind{warn, "message_dead_lettered"};
  kind.say({{"source", facts.source},
            {"id", facts.id},
            {"client", facts.client},
            {"file", facts.file},
            {"trace_id", facts.trace_id},
            {"reason", facts.reason},
            {"detail", facts.detail}});
}

void kafka_warned(std::string_view facility, std::string_view what) {
  static RepeatedEvent kind{warn, "kafka_warned"};
  kind.say({{"facility", facility}, {"what", what}});
}
void kafka_failed(std::string_view part, std::string_view what) {
  static RepeatedEvent kind{warn, "kafka_failed"};
  kind.say({{"part", part}, {"what", what}});
}
void kafka_away(std::string_view what) { say(warn, "kafka_away", {{"what", what}}); }
void kafka_answers_again() { say(info, "kafka_answers_again", {}); }
void kafka_topic_missing(std::string_view topic) { say(warn, "kafka_topic_missing", {{"topic", topic}}); }
void kafka_not_enabled() {
  say(warn, "kafka_not_enabled", {{"what", "KAFKA_BOOTSTRAP_SERVERS is set, and KAFKA_ENABLED is not true"}});
}
void kafka_assigned(std::string_view topic, std::size_t partitions) {
  kafka_rebalanced();
  say(info, "kafka_assigned", {{"topic", topic}, {"partitions", static_cast<std::int64_t>(partitions)}});
}
void kafka_revoked(std::string_view topic, std::size_t partitions, bool lost) {
  say(info, "kafka_revoked", {{"topic", topic}, {"partitions", static_cast<std::int64_t>(partitions)}, {"lost", lost}});
}
void kafka_messages_expired(std::string_view topic, std::int32_t partition, std::int64_t from, std::int64_t to) {
  kafka_expired(to - from);
  say(error, "kafka_messages_expired",
      {{"topic", topic},
       {"partition", partition},
       {"from", from},
       {"to", to},
       {"messages", to - from},
       {"what", "Kafka removed them before they were read: the topic's retention is shorter than the lag"}});
}
void sqs_failed(std::string_view call, std::string_view kind, std::string_view code, std::string_view what) {
  say(error, "sqs_failed", {{"call", call}, {"kind", kind}, {"code", code}, {"what", what}});
}
void sqs_answers_again(std::string_view call) { say(info, "sqs_answers_again", {{"call", call}}); }
void sqs_not_enabled() {
  say(warn, "sqs_not_enabled", {{"what", "SQS_QUEUE_URL is set, and SQS_ENABLED is not true"}});
}
void sqs_keeps_poison(std::string_view queue) {
  say(warn, "sqs_keeps_poison",
      {{"queue", queue}, {"what", "it has no redrive policy, and SQS_DLQ_URL is not set: bad messages stay in it"}});
}
void sqs_poison_left(const MessageFacts& facts, std::int64_t deliveries) {
  static RepeatedEvent kind{warn, "sqs_poison_left"};
  kind.say({{"id", facts.id},
            {"client", facts.client},
            {"file", facts.file},
            {"trace_id", facts.trace_id},
            {"reason", facts.reason},
            {"detail", facts.detail},
            {"deliveries", deliveries}});
}
void sqs_delete_refused(std::string_view code, std::string_view what) {
  static RepeatedEvent kind{warn, "sqs_delete_refused"};
  kind.say({{"code", code}, {"what", what}});
}
void sqs_checksum_differs(std::string_view id) {
  static RepeatedEvent kind{warn, "sqs_checksum_differs"};
  kind.say({{"id", id}});
}
void sqs_visibility_too_short(std::string_view queue, std::chrono::seconds timeout) {
  say(warn, "sqs_visibility_too_short",
      {{"queue", queue},
       {"seconds", timeout.count()},
       {"what", "others receive each message again while it is being counted: set its VisibilityTimeout to 30 or so"}});
}
void dead_letters_not_written(std::string_view topic, std::string_view what) {
  say(error, "dead_letters_not_written", {{"topic", topic}, {"what", what}});
}
void dead_letters_written_again() { say(info, "dead_letters_written_again", {}); }

void aws_credentials_found(std::string_view source) { say(info, "aws_credentials_found", {{"source", source}}); }
void aws_credentials_not_fetched(std::string_view what, bool valid) {
  say(warn, "aws_credentials_not_fetched", {{"what", what}, {"old_ones_serve", valid}});
}

}  // namespace pebbles::telemetry
