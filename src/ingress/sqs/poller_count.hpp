#pragma once
#include <algorithm>
#include <cstddef>

#include "ingress/sqs/protocol.hpp"

namespace pebbles::sqs {

/// How many pollers there should be after one of them has brought `received` messages: more while batches come full,
/// fewer when they come nearly empty, never none. Each poller asks this after each poll, so in a backlog they double.
[[nodiscard]] constexpr std::size_t next_poller_count(std::size_t now, std::size_t received, std::size_t max) {
  constexpr std::size_t few = batch_max / 4;
  if (received >= batch_max) return std::min(now + 1, max);
  if (received <= few) return std::max<std::size_t>(now, 2) - 1;
  return now;
}

}  // namespace pebbles::sqs
