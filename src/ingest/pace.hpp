#pragma once
#include <chrono>
#include <cstddef>
#include <optional>

namespace pebbles::ingest {

/// How fast a lane gets on: what another update adds to the time of a batch, learnt from batches of different sizes.
/// What they all take, however few they have, is no reason to refuse: more at once cost no more of that.
/// Threads: none of its own; whoever holds it locks.
class Pace {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::steady_clock::duration;

  /// A batch begins, or is done with.
  void begin(std::size_t updates, Time now);
  void end(Time now);

  /// For how long the batch has been under way; zero when there is none.
  [[nodiscard]] Duration elapsed(Time now) const;
  [[nodiscard]] Duration for_updates(std::size_t updates) const;
  /// How many updates take so long; at least `few`.
  [[nodiscard]] std::size_t updates_in(Duration time) const;

  static constexpr std::size_t few = 256;

 private:
  struct Batch {
    std::size_t updates;
    Time began;
  };
  /// Sums over batches, of which older ones count less and less.
  struct Sums {
    double batches = 0, updates = 0, ns = 0, updates_squared = 0, updates_by_ns = 0;
  };

  void learn(double updates, double ns);

  std::optional<Batch> batch_;
  Sums sums_;
  double each_ns_ = 0;
};

}  // namespace pebbles::ingest
