#include "app/config.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "admission/client_krn.hpp"
#include "app/small_file.hpp"
#include "app/sqs_options.hpp"
#include "auth/key.hpp"
#include "aws/endpoint.hpp"
#include "base/authority.hpp"
#include "base/redact.hpp"
#include "http/cors.hpp"
#include "ingress/kafka/options.hpp"
#include "net/url.hpp"

namespace pebbles::app {
namespace {

template <class T>
bool parse_number(const std::string& text, T min, T max, T& out) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < min || value > max) return false;
  out = value;
  return true;
}

template <class T>
Setting number(std::string_view variable, std::string_view flag, std::string_view allowed, T Config::* member, T min,
               T max) {
  return {.variable = variable,
          .flag = flag,
          .allowed = allowed,
          .set = [=](Config& config, const std::string& text) { return parse_number(text, min, max, config.*member); },
          .show = [=](const Config& config) { return fmt::format("{}", config.*member); }};
}

struct SecondsRange {
  int min;
  int max;
  std::string_view allowed;
};

Setting seconds(std::string_view variable, std::string_view flag, std::chrono::seconds Config::* member,
                SecondsRange range = {0, 3600, "a whole number of seconds from 0 to 3600"}) {
  return {.variable = variable,
          .flag = flag,
          .allowed = range.allowed,
          .set =
              [=](Config& config, const std::string& text) {
                int value = 0;
                if (!parse_number(text, range.min, range.max, value)) return false;
                config.*member = std::chrono::seconds{value};
                return true;
              },
          .show = [=](const Config& config) { return fmt::format("{}", (config.*member).count()); }};
}

Setting optional_port(std::string_view variable, std::string_view flag, std::optional<std::uint16_t> Config::* member) {
  return {.variable = variable,
          .flag = flag,
          .allowed = "a port from 0 to 65535 (0: any free one)",
          .set =
              [=](Config& config, const std::string& value) {
                std::uint16_t port = 0;
                if (!parse_number<std::uint16_t>(value, 0, 65535, port)) return false;
                config.*member = port;
                return true;
              },
          .show = [=](const Config& config) { return config.*member ? fmt::format("{}", *(config.*member)) : ""; }};
}

Setting text(std::string_view variable, std::string_view flag, std::string_view allowed, std::string Config::* member,
             bool (*valid)(const std::string&)) {
  return {.variable = variable,
          .flag = flag,
          .allowed = allowed,
          .set =
              [=](Config& config, const std::string& value) {
                if (!valid(value)) return false;
                config.*member = value;
                return true;
              },
          .show = [=](const Config& config) { return config.*member; }};
}

std::string lower_case(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

std::optional<bool> parse_boolean(const std::string& text) {
  const auto lower = lower_case(text);
  const auto is_one_of = [&](std::initializer_list<std::string_view> values) {
    return std::ranges::find(values, std::string_view{lower}) != values.end();
  };
  if (is_one_of({"true", "1", "yes", "on"})) return true;
  if (is_one_of({"false", "0", "no", "off"})) return false;
  return std::nullopt;
}

Setting boolean(std::string_view variable, std::string_view flag, bool Config::* member) {
  return {.variable = variable,
          .flag = flag,
          .allowed = "true or false",
          .set =
              [=](Config& config, const std::string& text) {
                const auto value = parse_boolean(text);
                if (value) config.*member = *value;
                return value.has_value();
              },
          .show = [=](const Config& config) { return config.*member ? "true" : "false"; }};
}

/// Names between commas, blanks around them dropped; empty when one is.
std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t start = 0; start <= text.size();) {
    const auto end = std::min(text.find(',', start), text.size());
    auto name = text.substr(start, end - start);
    name.erase(0, name.find_first_not_of(" \t"));
    name.erase(name.find_last_not_of(" \t") + 1);
    if (name.empty()) return {};
    out.push_back(std::move(name));
    start = end + 1;
  }
  return out;
}

constexpr int days_max = 36'500;

/// 0 is for ever.
std::optional<retention::Days> parse_days(const std::string& text) {
  int days = 0;
  if (!parse_number(text, 0, days_max, days)) return std::nullopt;
  return days == 0 ? retention::Days{} : retention::Days{std::chrono::days{days}};
}

std::string show_days(const retention::Days& days) { return fmt::format("{}", days ? days->count() : 0); }

Setting days(std::string_view variable, std::string_view flag, retention::Rule retention::Rules::* rule) {
  return {.variable = variable,
          .flag = flag,
          .allowed = "a whole number of days from 0 (for ever) to 36500",
          .set =
              [=](Config& config, const std::string& text) {
                const auto days = parse_days(text);
                if (days) (config.retention.*rule).all = *days;
                return days.has_value();
              },
          .show = [=](const Config& config) { return show_days((config.retention.*rule).all); }};
}

Setting days_by_client(std::string_view variable, std::string_view flag, retention::Rule retention::Rules::* rule) {
  return {.variable = variable,
          .flag = flag,
          .allowed = "clients and days, such as krn:acme=30,krn:other=0",
          .set =
              [=](Config& config, const std::string& text) {
                const auto entries = split_list(text);
                std::map<std::string, retention::Days, std::less<>> out;
                for (const auto& entry : entries) {
                  const auto equals = entry.rfind('=');  // a name may have one too
                  if (equals == std::string::npos || equals == 0) return false;
                  const auto days = parse_days(entry.substr(equals + 1));
                  if (!days || !out.emplace(entry.substr(0, equals), *days).second) return false;
                }
                (config.retention.*rule).by_client = std::move(out);
                return !entries.empty();
              },
          .show =
              [=](const Config& config) {
                std::string out;
                for (const auto& [client, days] : (config.retention.*rule).by_client)
                  out += fmt::format("{}{}={}", out.empty() ? "" : ",", client, show_days(days));
                return out;
              }};
}

using Names = std::vector<std::string>;

Setting list(std::string_view variable, std::string_view flag, std::string_view allowed, Names Config::* member,
             bool (*valid)(std::string_view)) {
  return {.variable = variable,
          .flag = flag,
          .allowed = allowed,
          .set =
              [=](Config& config, const std::string& text) {
                auto names = split_list(text);
                if (names.empty() || !std::ranges::all_of(names, valid)) return false;
                config.*member = std::move(names);
                return true;
              },
          .show =
              [=](const Config& config) {
                std::string out;
                for (const auto& name : config.*member) out += (out.empty() ? "" : ",") + name;
                return out;
              }};
}

bool is_store(const std::string& value) {
  return value == "mongodb" || (value.starts_with("sqlite:") && value.size() > 7);
}
bool is_secret(const std::string& value) { return value.size() >= 32; }
bool is_pattern(const std::string& value) { return admission::ClientKrnRule::compile(value).has_value(); }
bool is_not_empty(const std::string& value) { return !value.empty(); }
bool is_mongo_uri(const std::string& value) {
  return value.starts_with("mongodb://") || value.starts_with("mongodb+srv://");
}
bool is_public_url(const std::string& value) {
  return net::is_http_url(value) && !value.ends_with('/') && value.find_first_of("?#<>\" ") == value.npos;
}
bool is_cors_policy(const std::string& value) { return http::CorsPolicy::parse(value).has_value(); }
bool is_any_name(std::string_view) { return true; }
bool is_level(const std::string& value) {
  return std::ranges::any_of(std::initializer_list<std::string_view>{"trace", "debug", "info", "warn", "error", "off"},
                             [&](std::string_view known) { return known == value; });
}

bool set_host(Config& config, const std::string& value) {
  config.host = without_brackets(value);
  return !config.host.empty();
}

bool is_offset_reset(const std::string& value) { return value == "earliest" || value == "latest" || value == "error"; }
/// What Kafka allows as a topic's name.
bool is_topic(const std::string& value) {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  return !value.empty() && value.size() <= 249 && value != "." && value != ".." &&
         std::ranges::all_of(value, is_allowed);
}

bool is_region(const std::string& value) { return aws::is_valid_region(value); }

bool set_log_format(Config& config, const std::string& value) {
  if (value != "text" && value != "json") return false;
  config.log_format = value == "json" ? telemetry::LogFormat::json : telemetry::LogFormat::text;
  return true;
}

std::vector<Setting> make_settings() {
  std::vector<Setting> out;
  out.push_back({.variable = "HOST",
                 .flag = "--host",
                 .allowed = "an address to listen on",
                 .set = set_host,
                 .show = [](const Config& config) { return config.host; }});
  out.push_back(
      number<std::uint16_t>("PORT", "--port", "a port from 0 to 65535 (0: any free one)", &Config::port, 0, 65535));
  out.push_back(optional_port("METRICS_PORT", "--metrics-port", &Config::metrics_port));
  out.push_back(number<std::size_t>("METRICS_CLIENTS_MAX", "--metrics-clients-max", "a whole number from 0 to 1000",
                                    &Config::metrics_clients_max, 0, 1000));
  out.push_back(text("PEBBLES_STORE", "--store", "mongodb or sqlite:PATH", &Config::store, is_store));
  auto mongo_uri = text("MONGO_URI", "--mongo-uri", "a mongodb:// or mongodb+srv:// connection string",
                        &Config::mongo_uri, is_mongo_uri);
  mongo_uri.secret = true;
  mongo_uri.is_url = true;
  out.push_back(std::move(mongo_uri));
  out.push_back(number<std::size_t>("MONGO_POOL_SIZE", "--mongo-pool-size", "a whole number from 2 to 1000",
                                    &Config::mongo_pool_size, 2, 1000));
  out.push_back(
      number<std::size_t>("MONGO_LANES", "--mongo-lanes", "a whole number from 1 to 64", &Config::mongo_lanes, 1, 64));
  out.push_back(text("JWT_SECRET", "--jwt-secret", "at least 32 bytes", &Config::jwt_secret, is_secret));
  out.back().secret = true;
  out.push_back(text("JWT_PUBLIC_KEY_FILE", "--jwt-public-key-file", "a file of PEM public keys, or a JWK Set",
                     &Config::jwt_public_key_file, is_not_empty));
  out.push_back(text("JWT_JWKS_URL", "--jwt-jwks-url", "the http or https address of a JWK Set", &Config::jwt_jwks_url,
                     net::is_http_url));
  out.back().is_url = true;
  out.push_back(seconds("JWT_JWKS_REFRESH_S", "--jwt-jwks-refresh-s", &Config::jwt_jwks_refresh,
                        {1, 86'400, "a whole number of seconds from 1 to 86400"}));
  out.push_back(list("JWT_ALGORITHMS", "--jwt-algorithms",
                     "some of HS256, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA, Ed25519, with "
                     "commas between them",
                     &Config::jwt_algorithms, auth::is_known_algorithm));
  out.push_back(list("JWT_ISSUER", "--jwt-issuer", "the issuer, or some with commas between them", &Config::jwt_issuers,
                     is_any_name));
  out.push_back(list("JWT_AUDIENCE", "--jwt-audience", "the audience, or some with commas between them",
                     &Config::jwt_audiences, is_any_name));
  out.push_back(
      text("JWT_CLIENT_CLAIM", "--jwt-client-claim", "the name of a claim", &Config::jwt_client_claim, is_not_empty));
  out.push_back(boolean("JWT_REQUIRE_EXP", "--jwt-require-exp", &Config::jwt_require_exp));
  out.push_back(boolean("PUBLIC_READS", "--public-reads", &Config::public_reads));
  out.push_back(text("CLIENT_KRN_PATTERN", "--client-krn-pattern", "a regular expression (RE2) for the whole name",
                     &Config::client_krn_pattern, is_pattern));
  out.push_back(number<std::size_t>("MAX_ERRORS_IN_RECORD", "--max-errors-in-record", "a whole number from 0 to 100",
                                    &Config::max_errors_in_record, 0, 100));
  out.push_back(number<std::size_t>("LIST_LIMIT", "--list-limit", "a whole number from 1 to 100000",
                                    &Config::list_limit, 1, 100'000));
  out.push_back(number<std::size_t>("LIST_LIMIT_MAX", "--list-limit-max", "a whole number from 1 to 100000",
                                    &Config::list_limit_max, 1, 100'000));
  out.push_back(days("RETENTION_DAYS", "--retention-days", &retention::Rules::files));
  out.push_back(days_by_client("RETENTION_DAYS_BY_CLIENT", "--retention-days-by-client", &retention::Rules::files));
  out.push_back(days("EVENTS_RETENTION_DAYS", "--events-retention-days", &retention::Rules::events));
  out.push_back(days_by_client("EVENTS_RETENTION_DAYS_BY_CLIENT", "--events-retention-days-by-client",
                               &retention::Rules::events));
  out.push_back({.variable = "TOMBSTONE_DAYS",
                 .flag = "--tombstone-days",
                 .allowed = "a whole number of days from 15 to 36500",
                 .set =
                     [](Config& config, const std::string& text) {
                       int days = 0;
                       if (!parse_number(text, 15, days_max, days)) return false;
                       config.retention.tombstones = std::chrono::days{days};
                       return true;
                     },
                 .show = [](const Config& config) { return fmt::format("{}", config.retention.tombstones.count()); }});
  out.push_back(seconds("PRUNE_INTERVAL_S", "--prune-interval-s", &Config::prune_interval,
                        {1, 86'400, "a whole number of seconds from 1 to 86400"}));
  out.push_back(seconds("STALLED_AFTER_S", "--stalled-after-s", &Config::stalled_after,
                        {1, 31'536'000, "a whole number of seconds from 1 to 31536000"}));
  out.push_back(number<std::size_t>("HTTP_THREADS", "--http-threads", "a whole number from 1 to 64",
                                    &Config::http_threads, 1, 64));
  out.push_back(number<std::size_t>("MAX_CONNECTIONS", "--max-connections", "a whole number from 1 to 1000000",
                                    &Config::max_connections, 1, 1'000'000));
  out.push_back(boolean("KAFKA_ENABLED", "--kafka-enabled", &Config::kafka_enabled));
  out.push_back(text("KAFKA_BOOTSTRAP_SERVERS", "--kafka-bootstrap-servers",
                     "host:port of a broker, or some with commas between them", &Config::kafka_bootstrap_servers,
                     is_not_empty));
  out.push_back(text("KAFKA_TOPIC_NAME", "--kafka-topic-name", "the name of a topic", &Config::kafka_topic, is_topic));
  out.push_back(
      text("KAFKA_GROUP_ID", "--kafka-group-id", "the name of a consumer group", &Config::kafka_group, is_not_empty));
  out.push_back(
      text("KAFKA_DLQ_TOPIC", "--kafka-dlq-topic", "the name of a topic", &Config::kafka_dead_letter_topic, is_topic));
  out.push_back(text("KAFKA_AUTO_OFFSET_RESET", "--kafka-auto-offset-reset", "earliest, latest or error",
                     &Config::kafka_offset_reset, is_offset_reset));
  out.push_back(text("KAFKA_LOG_ID", "--kafka-log-id", "a name for the log that the topic's offsets belong to",
                     &Config::kafka_log_id, is_not_empty));
  out.push_back(boolean("SQS_ENABLED", "--sqs-enabled", &Config::sqs_enabled));
  out.push_back(text("SQS_QUEUE_URL", "--sqs-queue-url", "the http or https address of a queue", &Config::sqs_queue_url,
                     net::is_http_url));
  out.back().is_url = true;
  out.push_back(text("SQS_DLQ_URL", "--sqs-dlq-url", "the http or https address of a queue",
                     &Config::sqs_dead_letter_url, net::is_http_url));
  out.back().is_url = true;
  out.push_back(number<std::size_t>("SQS_POLLERS_MAX", "--sqs-pollers-max", "a whole number from 1 to 64",
                                    &Config::sqs_pollers_max, 1, 64));
  out.push_back(
      seconds("SQS_WAIT_S", "--sqs-wait-s", &Config::sqs_wait, {1, 20, "a whole number of seconds from 1 to 20"}));
  out.push_back(text("AWS_REGION", "--aws-region", "the name of a region", &Config::aws_region, is_region));
  out.push_back(text("AWS_ENDPOINT_URL_SQS", "--aws-endpoint-url-sqs", "an http or https address",
                     &Config::sqs_endpoint, net::is_http_url));
  out.back().is_url = true;
  constexpr SecondsRange time_out{1, 3600, "a whole number of seconds from 1 to 3600"};
  out.push_back(seconds("HTTP_IDLE_TIMEOUT_S", "--http-idle-timeout-s", &Config::idle_timeout, time_out));
  out.push_back(seconds("HTTP_HEAD_TIMEOUT_S", "--http-head-timeout-s", &Config::head_timeout, time_out));
  out.push_back(seconds("HTTP_BODY_TIMEOUT_S", "--http-body-timeout-s", &Config::body_timeout, time_out));
  out.push_back(seconds("HTTP_WRITE_TIMEOUT_S", "--http-write-timeout-s", &Config::write_timeout, time_out));
  out.push_back(text("PUBLIC_URL", "--public-url",
                     "an http or https address without a query, and without a slash at its end", &Config::public_url,
                     is_public_url));
  out.push_back(text("CORS_ORIGINS", "--cors-origins",
                     "*, none, or origins such as https://app.example.com with commas between them",
                     &Config::cors_origins, is_cors_policy));
  out.push_back(seconds("SHUTDOWN_DELAY_S", "--shutdown-delay-s", &Config::shutdown_delay));
  out.push_back(seconds("SHUTDOWN_TIMEOUT_S", "--shutdown-timeout-s", &Config::shutdown_timeout));
  out.push_back(
      text("LOG_LEVEL", "--log-level", "trace, debug, info, warn, error or off", &Config::log_level, is_level));
  out.push_back(
      {.variable = "LOG_FORMAT",
       .flag = "--log-format",
       .allowed = "text or json",
       .set = set_log_format,
       .show = [](const Config& config) { return config.log_format == telemetry::LogFormat::json ? "json" : "text"; }});
  return out;
}

Result<void> apply(Config& config, const Setting& setting, std::string_view source, const std::string& value) {
  if (setting.set(config, value)) return {};
  return failure(Errc::invalid_argument, fmt::format("{}={}: must be {}", source,
                                                     setting.secret ? "(hidden)" : redacted(value), setting.allowed));
}

/// The command line of a process can be read by every user of its host, and stays in the shell's history.
Result<void> refuse_secret(const Setting& setting, const std::string& value) {
  if (!(setting.is_url ? holds_secret(value) : setting.secret)) return {};
  return failure(
      Errc::invalid_argument,
      fmt::format("{}: {}, and every user of this host can read the command line: set {} in the environment{}",
                  setting.flag, setting.is_url ? "it holds a secret" : "this is a secret", setting.variable,
                  setting.secret ? fmt::format(", or {}_FILE", setting.variable) : ""));
}

Result<std::string> read_secret_file(const std::string& variable, const std::string& path) {
  PEBBLES_TRY(out, read_small_file(variable, path));
  while (!out.empty() && (out.back() == '\n' || out.back() == '\r')) out.pop_back();
  return out;
}

constexpr std::string_view kafka_prefix = "KAFKA_CONF_";

/// One KAFKA_CONF_ variable, or a file that has its value.
Result<void> apply_kafka(Config& config, const std::string& variable, const std::string& value) {
  constexpr std::string_view of_file = "_FILE";
  auto rest = variable.substr(kafka_prefix.size());
  auto text = value;
  if (rest.ends_with(of_file)) {
    rest.resize(rest.size() - of_file.size());
    PEBBLES_TRY(read, read_secret_file(variable, value));
    text = std::move(read);
  }
  auto name = kafka::setting_name(rest);
  if (!name) return failure(Errc::invalid_argument, fmt::format("{}: {}", variable, name.error().detail));
  config.kafka.insert_or_assign(*std::move(name), std::move(text));
  return {};
}

/// KAFKA_TOPIC is what others call KAFKA_TOPIC_NAME.
Result<void> apply_kafka_alias(Config& config, const Flags& flags, const Environment& environment) {
  const auto alias = environment("KAFKA_TOPIC").value_or("");
  if (alias.empty() || flags.contains("--kafka-topic-name")) return {};
  const auto named = environment("KAFKA_TOPIC_NAME").value_or("");
  if (!named.empty() && named != alias)
    return failure(Errc::invalid_argument,
                   fmt::format("KAFKA_TOPIC={}: must be the same as KAFKA_TOPIC_NAME={}, or absent", alias, named));
  if (!is_topic(alias))
    return failure(Errc::invalid_argument, fmt::format("KAFKA_TOPIC={}: must be the name of a topic", alias));
  config.kafka_topic = alias;
  return {};
}

Result<void> check_kafka(Config& config) {
  if (config.kafka_dead_letter_topic.empty()) config.kafka_dead_letter_topic = config.kafka_topic + ".dlq";
  if (!config.kafka_enabled) return {};
  if (config.kafka_bootstrap_servers.empty())
    return failure(Errc::invalid_argument, "KAFKA_ENABLED is on, but KAFKA_BOOTSTRAP_SERVERS is not set");
  if (config.kafka_dead_letter_topic == config.kafka_topic)
    return failure(Errc::invalid_argument,
                   fmt::format("KAFKA_DLQ_TOPIC={}: must not be the topic that is read", config.kafka_topic));
  return {};
}

/// What others call AWS_ENDPOINT_URL_SQS: one of its own, then the SDKs' for all services.
Result<void> apply_endpoint_alias(Config& config, const Environment& environment) {
  if (!config.sqs_endpoint.empty()) return {};
  for (const std::string alias : {"SQS_ENDPOINT", "AWS_ENDPOINT_URL"}) {
    const auto value = environment(alias).value_or("");
    if (value.empty()) continue;
    if (!net::is_http_url(value))
      return failure(Errc::invalid_argument,
                     fmt::format("{}={}: must be an http or https address", alias, redacted(value)));
    config.sqs_endpoint = value;
    return {};
  }
  return {};
}

Result<void> check_sqs(Config& config, const Environment& environment) {
  PEBBLES_TRY_VOID(apply_endpoint_alias(config, environment));
  if (!config.sqs_enabled) return {};
  if (config.sqs_queue_url.empty())
    return failure(Errc::invalid_argument, "SQS_ENABLED is on, but SQS_QUEUE_URL is not set");
  if (config.sqs_dead_letter_url == config.sqs_queue_url)
    return failure(Errc::invalid_argument, fmt::format("SQS_DLQ_URL={}: must not be the queue that is read",
                                                       redacted(config.sqs_dead_letter_url)));
  if (config.sqs_endpoint.empty()) {
    PEBBLES_TRY(endpoint, sqs_endpoint_of(config.sqs_queue_url, config.aws_region));
    config.sqs_endpoint = std::move(endpoint);
  }
  return {};
}

}  // namespace

std::optional<std::string> Config::sqlite_path() const {
  if (!embedded_dir.empty()) return embedded_dir + "/pebbles.db";
  if (store.starts_with("sqlite:")) return store.substr(7);
  return std::nullopt;
}

std::string Config::host_or_default() const {
  if (!host.empty()) return host;
  return embedded_dir.empty() ? "0.0.0.0" : "127.0.0.1";
}

const std::vector<Setting>& settings() {
  static const auto all = make_settings();
  return all;
}

std::optional<std::string> from_process_environment(const std::string& name) {
  const char* const value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>{value};
}

std::vector<std::string> names_in_process_environment() {
  std::vector<std::string> out;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text{*entry};
    out.emplace_back(text.substr(0, text.find('=')));
  }
  return out;
}

Result<Config> load_config(const Flags& flags, const Environment& environment, const std::vector<std::string>& names) {
  Config config;
  config.client_krn_pattern = admission::ClientKrnRule::default_pattern;
  for (const auto& setting : settings()) {
    const std::string variable{setting.variable};
    if (const auto flag = flags.find(setting.flag); flag != flags.end()) {
      PEBBLES_TRY_VOID(refuse_secret(setting, flag->second));
      PEBBLES_TRY_VOID(apply(config, setting, setting.flag, flag->second));
      continue;
    }
    if (const auto value = environment(variable); value && !value->empty()) {
      PEBBLES_TRY_VOID(apply(config, setting, variable, *value));
      continue;
    }
    if (!setting.secret) continue;
    const auto file_variable = variable + "_FILE";
    if (const auto path = environment(file_variable); path && !path->empty()) {
      PEBBLES_TRY(value, read_secret_file(file_variable, *path));
      PEBBLES_TRY_VOID(apply(config, setting, file_variable, value));
    }
  }
  PEBBLES_TRY_VOID(apply_kafka_alias(config, flags, environment));
  for (const auto& variable : names)
    if (variable.starts_with(kafka_prefix))
      PEBBLES_TRY_VOID(apply_kafka(config, variable, environment(variable).value_or("")));
  PEBBLES_TRY_VOID(check_kafka(config));
  PEBBLES_TRY_VOID(check_sqs(config, environment));
  if (const auto embedded = flags.find("--embedded"); embedded != flags.end()) config.embedded_dir = embedded->second;
  return config;
}

std::string show_config(const Config& config) {
  std::string out;
  for (const auto& setting : settings()) {
    auto value = redacted(setting.show(config));  // an address may have a password in it
    if (setting.secret && !value.empty()) value = "********";
    if (setting.variable == "HOST") value = config.host_or_default();
    if (setting.variable == "PEBBLES_STORE" && config.sqlite_path()) value = "sqlite:" + *config.sqlite_path();
    out += fmt::format("{}={}\n", setting.variable, value);
  }
  for (const auto& [name, value] : config.kafka) {
    std::string variable{kafka_prefix};
    for (const char c : name) variable += c == '.' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    out += fmt::format("{}={}\n", variable, kafka::is_secret(name) ? "********" : redacted(value));
  }
  return out;
}

}  // namespace pebbles::app
