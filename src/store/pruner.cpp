#include "store/pruner.hpp"

#include <algorithm>
#include <memory>

namespace pebbles::store {

bool Clients::hold(const domain::ClientKrn& client) const {
  return only ? client == *only : std::ranges::find(but, client) == but.end();
}

Pruned& Pruned::operator+=(const Pruned& other) {
  logs += other.logs;
  events += other.events;
  tombstones += other.tombstones;
  more = more || other.more;
  worked += other.worked;
  return *this;
}

domain::ProgressEvent baseline_of(const Snapshot& state) {
  const auto& now = state.progress;
  return {.version = now.version,
          .id = now.id,
          .at = now.updated_at,
          .by = now.owner,
          .channel = domain::Channel::rest,
          .key = std::nullopt,
          .position = std::nullopt,
          .what = domain::Baseline{.state = std::make_shared<const domain::Progress>(now),
                                   .head = state.head.first,
                                   .head_hash = state.head.hash}};
}

}  // namespace pebbles::store
