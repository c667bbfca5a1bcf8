#include "app/kafka_options.hpp"

namespace pebbles::app {

kafka::KafkaOptions kafka_options(const Config& config) {
  kafka::KafkaOptions out;
  out.bootstrap_servers = config.kafka_bootstrap_servers;
  out.topic = config.kafka_topic;
  out.dead_letter_topic = config.kafka_dead_letter_topic;
  out.group = config.kafka_group;
  out.offset_reset = config.kafka_offset_reset;
  out.log_id = config.kafka_log_id;
  out.librdkafka = config.kafka;
  return out;
}

}  // namespace pebbles::app
