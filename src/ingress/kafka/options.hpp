#pragma once
#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "ingress/kafka/client.hpp"

/// Reads updates from a Kafka topic. docs/kafka.md says what users can rely on.
namespace pebbles::kafka {

struct KafkaOptions {
  std::string bootstrap_servers;
  std::string topic;
  std::string dead_letter_topic;
  std::string group;
  std::string offset_reset = "earliest";          ///< where a group without offsets begins: earliest, latest or error
  std::string log_id;                             ///< names the log in positions; empty: the cluster's id
  std::map<std::string, std::string> librdkafka;  ///< further settings, by librdkafka's names
  std::size_t messages_max = 100'000;             ///< read and not yet settled
  std::size_t bytes_max = 32UL << 20U;            ///< of them
};

/// librdkafka's name of the setting that `KAFKA_CONF_<rest>` means: lower case, dots for underscores.
/// Errors: invalid_argument for one that librdkafka does not have, or that Pebbles decides.
[[nodiscard]] Result<std::string> setting_name(const std::string& rest);

/// Whether a setting's value is not to be shown.
[[nodiscard]] bool is_secret(const std::string& setting);

/// What librdkafka says of itself, at `level` (of syslog), goes to the log where it is a warning.
void log_of_library(int level, std::string_view facility, std::string_view text);

/// Errors: invalid_argument that names the setting, its value and what librdkafka says.
[[nodiscard]] Result<ClientConf> consumer_conf(const KafkaOptions& options);
[[nodiscard]] Result<ClientConf> producer_conf(const KafkaOptions& options);

}  // namespace pebbles::kafka
