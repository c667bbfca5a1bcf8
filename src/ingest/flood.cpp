#include "ingest/flood.hpp"

#include <algorithm>
#include <string_view>
#include <unordered_map>

namespace pebbles::ingest {

bool Flood::came(const std::string& client, Time now) {
  if (client_.empty() || is_of(client)) return false;
  others_came_ = now;
  return true;
}

void Flood::begin(std::span<const Pending> batch, Time now) {
  began_ = now;
  is_large_ = batch.size() >= batch_min;
  if (!is_large_) return;  // it says nothing of who floods
  std::unordered_map<std::string_view, std::size_t> shares;
  for (const auto& pending : batch)
    if (!pending.epoch) ++shares[*pending.stream.client];
  const auto most = std::ranges::max_element(shares, {}, [](const auto& share) { return share.second; });
  if (most != shares.end() && most->second > batch.size() / 2)
    client_ = most->first;
  else
    client_.clear();
}

Flood::Duration Flood::rest(Time now) const {
  if (!is_large_ || client_.empty() || others_came_ + lately < now) return {};
  return std::min<Duration>(rest_share * (now - began_), rest_max);
}

}  // namespace pebbles::ingest
