#pragma once
#include "app/config.hpp"
#include "ingress/kafka/options.hpp"

namespace pebbles::app {

[[nodiscard]] kafka::KafkaOptions kafka_options(const Config& config);

}  // namespace pebbles::app
