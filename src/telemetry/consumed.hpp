#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "telemetry/registry.hpp"

namespace pebbles::telemetry {

/// The series that the consumers of all queues have, of one of them.
class ConsumedSeries {
 public:
  /// `outcomes` name what becomes of a message, in the order of the consumer's enumeration.
  ConsumedSeries(const char* source, std::span<const char* const> outcomes);
  void add(std::size_t outcome, std::int64_t messages);

 private:
  std::array<prometheus::Counter*, 8> outcomes_{};
  prometheus::Gauge& last_message_;
};

}  // namespace pebbles::telemetry
