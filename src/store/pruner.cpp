#include "store/pruner.hpp"

#include <algorithm>

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

}  // namespace pebbles::store
