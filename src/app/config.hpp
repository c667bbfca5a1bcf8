#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/environment.hpp"
#include "base/result.hpp"
#include "retention/rules.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::app {

/// Everything that can be set, by environment variable or by a flag of `serve`; a flag wins. docs/configuration.md is
/// written from `settings()`.
struct Config {
  std::string host;  ///< empty: 127.0.0.1 when embedded, else 0.0.0.0
  std::uint16_t port = 8081;
  std::optional<std::uint16_t> metrics_port;  ///< of a second listener, which alone then has /metrics
  std::size_t metrics_clients_max = 20;       ///< named at that listener; nobody is named on `port`
  std::string store = "mongodb";              ///< `mongodb` or `sqlite:PATH`
  std::string embedded_dir;  ///< --embedded: the store is DIR/pebbles.db, a development key lies beside it
  std::string jwt_secret;
  std::string jwt_public_key_file;
  std::string jwt_jwks_url;
  std::chrono::seconds jwt_jwks_refresh{300};
  std::vector<std::string> jwt_algorithms;  ///< empty: all that the keys serve
  std::vector<std::string> jwt_issuers;     ///< empty: any
  std::vector<std::string> jwt_audiences;   ///< empty: any
  std::string jwt_client_claim;             ///< empty: tokens are not bound to clients
  bool jwt_require_exp = true;
  bool public_reads = true;
  std::string client_krn_pattern;
  std::size_t max_errors_in_record = 100;
  std::size_t list_limit = 1000;
  std::size_t list_limit_max = 10'000;
  retention::Rules retention;
  std::chrono::seconds prune_interval{3600};
  std::chrono::seconds stalled_after{300};
  std::size_t http_threads = 1;
  std::size_t max_connections = 10'000;
  std::chrono::seconds idle_timeout{75};
  std::chrono::seconds head_timeout{10};
  std::chrono::seconds body_timeout{20};
  std::chrono::seconds write_timeout{15};
  std::string cors_origins = "*";
  std::string public_url;  ///< without a slash at the end
  std::chrono::seconds shutdown_delay{0};
  std::chrono::seconds shutdown_timeout{30};
  std::string log_level = "info";
  telemetry::LogFormat log_format = telemetry::LogFormat::text;

  std::string mongo_uri = "mongodb://localhost:27017/pebbles";
  std::size_t mongo_pool_size = 32;
  std::size_t mongo_lanes = 2;

  bool kafka_enabled = false;
  std::string kafka_bootstrap_servers;
  std::string kafka_topic = "progress-updates";
  std::string kafka_group = "pebbles-consumer";
  std::string kafka_dead_letter_topic;  ///< empty: the topic's name and `.dlq`
  std::string kafka_offset_reset = "earliest";
  std::string kafka_log_id;                  ///< empty: the cluster's id
  std::map<std::string, std::string> kafka;  ///< further settings of librdkafka, by its names

  bool sqs_enabled = false;
  std::string sqs_queue_url;
  std::string sqs_dead_letter_url;  ///< empty: bad messages stay, unless the queue's own policy moves them
  std::string sqs_endpoint;         ///< empty: the region's, or where the queue's URL leads outside AWS
  std::string aws_region = "us-east-1";
  std::size_t sqs_pollers_max = 8;
  std::chrono::seconds sqs_wait{5};

  /// The path of the embedded store; nullopt for MongoDB.
  [[nodiscard]] std::optional<std::string> sqlite_path() const;
  [[nodiscard]] std::string host_or_default() const;
};

/// One thing that can be set.
struct Setting {
  std::string_view variable;                             ///< e.g. PORT
  std::string_view flag;                                 ///< e.g. --port
  std::string_view allowed;                              ///< what a value may be, for errors and help
  bool secret = false;                                   ///< masked in output; may come as `<variable>_FILE`
  bool is_url = false;                                   ///< which may have a password in it
  std::function<bool(Config&, const std::string&)> set;  ///< false when the value is not allowed
  std::function<std::string(const Config&)> show;
};
[[nodiscard]] const std::vector<Setting>& settings();

[[nodiscard]] std::optional<std::string> from_process_environment(const std::string& name);
/// The names of all variables that are set.
[[nodiscard]] std::vector<std::string> names_in_process_environment();

/// Flags by name, as given on the command line.
using Flags = std::map<std::string, std::string, std::less<>>;

/// Errors: invalid_argument that names the variable or flag, the value, and what is allowed. `names` are the
/// variables among which those that begin with KAFKA_CONF_ are looked for. No value of a secret is in an error.
[[nodiscard]] Result<Config> load_config(const Flags& flags, const Environment& environment,
                                         const std::vector<std::string>& names = {});

/// `NAME=value` lines of what is in force, secrets masked.
[[nodiscard]] std::string show_config(const Config& config);

}  // namespace pebbles::app
