#include "telemetry/telemetry.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>

#include "telemetry/kafka_metrics.hpp"
namespace pebbles::telemetry {
namespace {

/// Makes text safe inside a quoted value of either format: no control character, quote or backslash stays as it is.
std::string escaped(std::string_view text) {
  constexpr std::size_t bytes_max = 512;
  auto shown = std::min(text.size(), bytes_max);
  while (shown < text.size() && shown > bytes_max - 3 && (static_cast<unsigned char>(text[shown]) & 0xC0U) == 0x80U)
    --shown;  // whole characters, or the line isn't UTF-8 any more
  std::string out;
  for (const char c : text.substr(0, shown)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f)
      out += fmt::format("\\u{:04x}", byte);
    else if (c == '"' || c == '\\')
      out += {'\\', c};
    else
      out.push_back(c);
  }
  if (shown < text.size()) out += "...";
  return out;
}

struct Member {
  std::string_view name;
  std::string value;  ///< as both formats show it
  Member(std::string_view n, std::string_view v) : name{n}, value{'"' + escaped(v) + '"'} {}
  Member(std::string_view n, std::int64_t v) : name{n}, value{fmt::format("{}", v)} {}
};

LogFormat log_format = LogFormat::text;

void say(spdlog::level::level_enum level, std::string_view event, std::initializer_list<Member> members) {
  if (!spdlog::should_log(level)) return;
  std::string line;
  if (log_format == LogFormat::json) {
    line = fmt::format(R"("event":"{}")", event);
    for (const auto& member : members) line += fmt::format(R"(,"{}":{})", member.name, member.value);
  } else {
    line = event;
    for (const auto& member : members) line += fmt::format(" {}={}", member.name, member.value);
  }
  spdlog::log(level, "{}", line);
}

using spdlog::level::err;
using spdlog::level::info;
using spdlog::level::warn;

}  // namespace

bool start_log(std::string_view level, LogFormat format) {
  const auto parsed = spdlog::level::from_str(std::string{level});
  if (parsed == spdlog::level::off && level != "off") return false;
  log_format = format;
  auto logger = std::make_shared<spdlog::logger>("pebbles", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_level(parsed);
  logger->set_pattern(
      format == LogFormat::json ? R"({"at":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})" : "%Y-%m-%dT%H:%M:%S.%eZ %-5l %v",
      spdlog::pattern_time_type::utc);
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
  return true;
}

void server_listening(std::string_view host, std::uint16_t port, std::string_view version) {
  say(info, "server_listening", {{"host", host}, {"port", port}, {"version", version}});
}
void metrics_listening(std::string_view host, std::uint16_t port) {
  say(info, "metrics_listening", {{"host", host}, {"port", port}});
}

void server_stopping(std::string_view why) { say(info, "server_stopping", {{"why", why}}); }
void server_stopped(bool drained) {
  say(drained ? info : warn, "server_stopped", {{"drained", drained ? "yes" : "no"}});
}
void request_failed(std::string_view method, std::string_view target, std::string_view what) {
  say(err, "request_failed", {{"method", method}, {"target", target}, {"what", what}});
}
void accept_failed(std::string_view what) { say(warn, "accept_failed", {{"what", what}}); }

void store_opened(std::string_view path, std::int64_t replayed_chunks, std::int64_t milliseconds) {
  say(info, "store_opened", {{"path", path}, {"replayed_chunks", replayed_chunks}, {"milliseconds", milliseconds}});
}
void store_refuses_commits(std::string_view what) { say(err, "store_refuses_commits", {{"what", what}}); }
void store_commits_again(std::int64_t failed_batches) {
  say(info, "store_commits_again", {{"failed_batches", failed_batches}});
}
void checkpoint_failed(std::string_view what) { say(warn, "checkpoint_failed", {{"what", what}}); }
void read_failed(std::string_view what) { say(warn, "read_failed", {{"what", what}}); }
void load_failed(std::string_view client, std::string_view filename, std::string_view what) {
  say(err, "load_failed", {{"client", client}, {"filename", filename}, {"what", what}});
}
void append_refused(std::string_view client, std::string_view filename) {
  say(err, "append_refused", {{"client", client}, {"filename", filename}});
}

void driver_warned(std::string_view domain, std::string_view what) {
  say(warn, "driver_warned", {{"domain", domain}, {"what", what}});
}
void database_away(std::string_view what) { say(warn, "database_away", {{"what", what}}); }
void database_answers_again() { say(info, "database_answers_again", {}); }
void database_has_arbiter() {
  say(warn, "database_has_arbiter",
      {{"what", "with a data-bearing member down, writes wait for a majority that is not there"}});
}
void snapshots_caught_up(std::int64_t files) { say(info, "snapshots_caught_up", {{"files", files}}); }
void instance_given_up() { say(warn, "instance_given_up", {}); }
void clock_differs(std::int64_t milliseconds) { say(warn, "clock_differs", {{"milliseconds", milliseconds}}); }

void issuer_keys_fetched(std::string_view url, std::size_t keys, const std::vector<std::string>& skipped) {
  say(info, "issuer_keys_fetched", {{"url", url}, {"keys", static_cast<std::int64_t>(keys)}});
  for (const auto& why : skipped) say(warn, "issuer_key_skipped", {{"url", url}, {"why", why}});
}

void issuer_keys_unavailable(std::string_view url, std::string_view what) {
  say(warn, "issuer_keys_unavailable", {{"url", url}, {"what", what}});
}

void kafka_warned(std::string_view facility, std::string_view what) {
  say(warn, "kafka_warned", {{"facility", facility}, {"what", what}});
}
void kafka_failed(std::string_view part, std::string_view what) {
  say(warn, "kafka_failed", {{"part", part}, {"what", what}});
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
  say(info, "kafka_revoked",
      {{"topic", topic}, {"partitions", static_cast<std::int64_t>(partitions)}, {"lost", lost ? "yes" : "no"}});
}
void sqs_failed(std::string_view call, std::string_view kind, std::string_view code, std::string_view what) {
  say(err, "sqs_failed", {{"call", call}, {"kind", kind}, {"code", code}, {"what", what}});
}
void sqs_answers_again(std::string_view call) { say(info, "sqs_answers_again", {{"call", call}}); }
void sqs_not_enabled() {
  say(warn, "sqs_not_enabled", {{"what", "SQS_QUEUE_URL is set, and SQS_ENABLED is not true"}});
}
void sqs_keeps_poison(std::string_view queue) {
  say(warn, "sqs_keeps_poison",
      {{"queue", queue}, {"what", "it has no redrive policy, and SQS_DLQ_URL is not set: bad messages stay in it"}});
}
void sqs_poison_left(std::string_view id, std::string_view reason, std::string_view detail, std::int64_t deliveries,
                     std::int64_t unsaid) {
  say(warn, "sqs_poison_left",
      {{"message_id", id}, {"reason", reason}, {"detail", detail}, {"deliveries", deliveries}, {"unsaid", unsaid}});
}
void sqs_delete_refused(std::string_view code, std::string_view what, std::int64_t unsaid) {
  say(warn, "sqs_delete_refused", {{"code", code}, {"what", what}, {"unsaid", unsaid}});
}
void sqs_checksum_differs(std::string_view id, std::int64_t unsaid) {
  say(warn, "sqs_checksum_differs", {{"message_id", id}, {"unsaid", unsaid}});
}
void dead_letters_not_written(std::string_view topic, std::string_view what) {
  say(err, "dead_letters_not_written", {{"topic", topic}, {"what", what}});
}
void dead_letters_written_again() { say(info, "dead_letters_written_again", {}); }

void aws_credentials_found(std::string_view source) { say(info, "aws_credentials_found", {{"source", source}}); }
void aws_credentials_not_fetched(std::string_view what, bool valid) {
  say(warn, "aws_credentials_not_fetched", {{"what", what}, {"old_ones_serve", valid ? "yes" : "no"}});
}

}  // namespace pebbles::telemetry
