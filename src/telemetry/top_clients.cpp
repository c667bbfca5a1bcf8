#include "telemetry/top_clients.hpp"

#include <algorithm>

namespace pebbles::telemetry {

TopClients::Counted TopClients::count(std::string_view client) {
  if (named_max_ == 0) return {};
  if (const auto known = named_.find(client); known != named_.end()) {
    ++known->second.count;
    return {.named = true};
  }
  if (named_.size() < named_max_) {
    named_.emplace(client, Seen{.count = 1});
    return {.named = true};
  }
  const auto rising = candidate(client);
  const auto least = std::ranges::min_element(named_, {}, [](const auto& each) { return each.second.certain(); });
  if (rising->second.certain() <= least->second.certain()) return {};
  Counted out{.named = true, .leaves = least->first};
  auto joins = candidates_.extract(rising);
  candidates_.insert(named_.extract(least));
  named_.insert(std::move(joins));
  return out;
}

/// The client, counted once more. Where there is no room, it takes the place of the one with the fewest failures, and
/// its count with it as what may be wrong.
TopClients::Clients::iterator TopClients::candidate(std::string_view client) {
  auto known = candidates_.find(client);
  if (known == candidates_.end()) {
    Seen seen;
    if (candidates_.size() >= named_max_) {
      const auto least = std::ranges::min_element(candidates_, {}, [](const auto& each) { return each.second.count; });
      seen = {.count = least->second.count, .error = least->second.count};
      candidates_.erase(least);
    }
    known = candidates_.emplace(client, seen).first;
  }
  ++known->second.count;
  return known;
}

}  // namespace pebbles::telemetry
