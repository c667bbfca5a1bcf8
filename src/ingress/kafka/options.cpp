#include "ingress/kafka/options.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "telemetry/telemetry.hpp"

namespace pebbles::kafka {
namespace {

using Settings = std::initializer_list<std::pair<const char*, const char*>>;

/// What exactness, or a variable of ours, depends on.
constexpr std::array<std::pair<std::string_view, std::string_view>, 17> owned{{
    {"bootstrap.servers", "KAFKA_BOOTSTRAP_SERVERS"},
    {"metadata.broker.list", "KAFKA_BOOTSTRAP_SERVERS"},
    {"group.id", "KAFKA_GROUP_ID"},
    {"auto.offset.reset", "KAFKA_AUTO_OFFSET_RESET"},
    {"enable.auto.commit", ""},
    {"auto.commit.enable", ""},
    {"enable.auto.offset.store", ""},
    {"enable.partition.eof", ""},
    {"isolation.level", ""},
    {"enable.idempotence", ""},
    {"acks", ""},
    {"request.required.acks", ""},
    {"transactional.id", ""},
    {"message.timeout.ms", ""},
    {"delivery.timeout.ms", ""},
    {"message.send.max.retries", ""},
    {"retries", ""},
}};

/// Small queues: what is fetched and not yet taken stays in memory, whatever the backlog (docs/adr/0008).
constexpr Settings of_consumer{
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    {"enable.partition.eof", "true"},
    {"isolation.level", "read_committed"},
    {"partition.assignment.strategy", "range,roundrobin"},
    {"queued.min.messages", "60000"},
    {"queued.max.messages.kbytes", "40960"},
    {"fetch.max.bytes", "16777216"},
    {"max.partition.fetch.bytes", "4194304"},
    // Also how long a partition that was assigned a moment later than others can wait for its first fetch.
    {"fetch.wait.max.ms", "50"},
    {"fetch.error.backoff.ms", "200"},
    {"topic.metadata.refresh.interval.ms", "10000"},
};
constexpr Settings of_producer{
    {"enable.idempotence", "true"},    {"acks", "all"},    {"message.timeout.ms", "0"},
    {"message.max.bytes", "10000000"}, {"linger.ms", "1"},
};
constexpr Settings of_both{
    {"socket.keepalive.enable", "true"},
    {"socket.nagle.disable", "true"},
    {"reconnect.backoff.max.ms", "5000"},
    {"client.id", "pebbles"},
};

std::string lower_case(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

/// What librdkafka says against it, if anything.
std::optional<std::string> set(rd_kafka_conf_t* conf, const char* name, const char* value) {
  std::array<char, 512> text{};
  if (rd_kafka_conf_set(conf, name, value, text.data(), text.size()) == RD_KAFKA_CONF_OK) return std::nullopt;
  return text.data();
}

/// Not by rd_kafka_conf_get, which does not know a setting that has no value.
bool is_known(const std::string& name) {
  const ClientConf conf{rd_kafka_conf_new()};
  return rd_kafka_conf_set(conf.get(), name.c_str(), "", nullptr, 0) != RD_KAFKA_CONF_UNKNOWN;
}

Result<void> apply(rd_kafka_conf_t* conf, Settings settings) {
  for (const auto& [name, value] : settings)
    if (const auto wrong = set(conf, name, value)) return failure(Errc::internal, *wrong);
  return {};
}

Result<void> apply(rd_kafka_conf_t* conf, const KafkaOptions& options) {
  if (const auto wrong = set(conf, "bootstrap.servers", options.bootstrap_servers.c_str()))
    return failure(Errc::invalid_argument, "KAFKA_BOOTSTRAP_SERVERS: " + *wrong);
  for (const auto& [name, value] : options.librdkafka) {
    if (name == "partition.assignment.strategy" && value.contains("cooperative"))
      return failure(Errc::invalid_argument,
                     fmt::format("KAFKA_CONF: {}={}: must be an eager one (docs/kafka.md)", name, value));
    const auto wrong = set(conf, name.c_str(), value.c_str());
    if (wrong && is_secret(name))  // what librdkafka says may repeat the value
      return failure(Errc::invalid_argument, fmt::format("KAFKA_CONF: {}=(hidden): is not allowed", name));
    if (wrong) return failure(Errc::invalid_argument, fmt::format("KAFKA_CONF: {}={}: {}", name, value, *wrong));
  }
  rd_kafka_conf_set_log_cb(conf, [](const rd_kafka_t*, int level, const char* facility, const char* text) {
    log_of_library(level, facility, text);
  });
  return {};
}

}  // namespace

void log_of_library(int level, std::string_view facility, std::string_view text) {
  // That a setting is of the other kind of client is no news: both get all of them.
  if (level <= 4 && facility != "CONFWARN") telemetry::kafka_warned(facility, text);
}

Result<std::string> setting_name(const std::string& rest) {
  const auto underscored = lower_case(rest);
  auto dotted = underscored;
  std::ranges::replace(dotted, '_', '.');
  auto name = is_known(dotted) || !is_known(underscored) ? dotted : underscored;
  for (const auto& [setting, variable] : owned) {
    if (setting != name) continue;
    return failure(Errc::invalid_argument, variable.empty()
                                               ? fmt::format("{} is decided by Pebbles and cannot be set", name)
                                               : fmt::format("{} is set by {}", name, variable));
  }
  if (!is_known(name)) return failure(Errc::invalid_argument, name + " is not a setting of librdkafka");
  return name;
}

bool is_secret(const std::string& setting) {
  return std::ranges::any_of(std::initializer_list<std::string_view>{"password", "secret", "pem", "oauthbearer.config"},
                             [&](std::string_view part) { return setting.contains(part); });
}

Result<ClientConf> consumer_conf(const KafkaOptions& options) {
  ClientConf conf{rd_kafka_conf_new()};
  PEBBLES_TRY_VOID(apply(conf.get(), of_both));
  PEBBLES_TRY_VOID(apply(conf.get(), of_consumer));
  PEBBLES_TRY_VOID(apply(conf.get(), options));
  for (const auto& [name, value] : {std::pair{"group.id", options.group}, {"auto.offset.reset", options.offset_reset}})
    if (const auto wrong = set(conf.get(), name, value.c_str())) return failure(Errc::invalid_argument, *wrong);
  return conf;
}

Result<ClientConf> producer_conf(const KafkaOptions& options) {
  ClientConf conf{rd_kafka_conf_new()};
  PEBBLES_TRY_VOID(apply(conf.get(), of_both));
  PEBBLES_TRY_VOID(apply(conf.get(), of_producer));
  PEBBLES_TRY_VOID(apply(conf.get(), options));
  return conf;
}

}  // namespace pebbles::kafka
