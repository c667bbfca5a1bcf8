#pragma once
#include <chrono>
#include <span>
#include <string>

#include "ingest/pending.hpp"

namespace pebbles::ingest {

/// A client that fills a lane's batches over HTTP while others send little. After each such batch the lane rests for
/// `rest_share` times as long as it took, or until one of the others sends something: so those find the lane free and
/// the store at rest more often than not. What comes meanwhile goes into the flood's next batch, so it loses less than
/// the share of the rests. Threads: none of its own; whoever holds it locks.
class Flood {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::steady_clock::duration;

  static constexpr std::size_t batch_min = 8;  ///< updates; of fewer the store has no trouble
  static constexpr std::chrono::seconds lately{1};
  static constexpr int rest_share = 3;
  static constexpr std::chrono::milliseconds rest_max{50};

  /// An update has come. True when it is for its client that a lane should not rest.
  bool came(const std::string& client, Time now);
  void begin(std::span<const Pending> batch, Time now);
  /// The batch is done with; zero when there is no flood, or nobody beside it.
  [[nodiscard]] Duration rest(Time now) const;
  [[nodiscard]] bool is_of(const std::string& client) const { return client == client_; }

 private:
  std::string client_;  ///< empty: there is no flood
  Time began_{};
  Time others_came_{};
  bool is_large_ = false;  ///< the batch
};

}  // namespace pebbles::ingest
