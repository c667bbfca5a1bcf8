#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/boxed.hpp"
#include "domain/decide.hpp"
#include "store/event_store.hpp"

namespace pebbles::ingest {

/// One uninterrupted reading of a partition of a log. When it ends (the partition is revoked, or read again from an
/// earlier offset), what is still queued of it is dropped: always a suffix, because it never comes back to life
/// (invariant 8). Threads: any.
class Epoch {
 public:
  void end() noexcept { ended_.store(true, std::memory_order_release); }
  [[nodiscard]] bool ended() const noexcept { return ended_.load(std::memory_order_acquire); }

 private:
  std::atomic<bool> ended_{false};
};
using EpochPtr = std::shared_ptr<const Epoch>;

/// Holds later updates of a stream back until the dead letters before them are durable (invariant 11). Made by a lane,
/// passed by whoever writes the dead letters. Threads: any but for `add`.
class Gate {
 public:
  /// `wake` is called from the thread of the last `pass`.
  explicit Gate(std::function<void()> wake) : wake_{std::move(wake)} {}
  /// One more dead letter to wait for; before anybody was told of the gate.
  void add() noexcept { missing_.fetch_add(1, std::memory_order_relaxed); }
  /// One of them is durable.
  void pass();
  [[nodiscard]] bool is_open() const noexcept { return missing_.load(std::memory_order_acquire) == 0; }

 private:
  std::function<void()> wake_;
  std::atomic<int> missing_{0};
};
using GatePtr = std::shared_ptr<Gate>;

/// What an answer tells of a state. It stands in the outcome itself: of a batch there are thousands, each read once and
/// on another thread.
struct ShownState {
  explicit ShownState(const domain::Progress& state)
      : version{state.version},
        counts{state.counts},
        total{state.total},
        completed{state.completed},
        errors{state.errors.first},
        warnings{state.warnings.first} {}

  domain::Version version;
  domain::Counts counts;
  std::optional<std::int64_t> total;
  bool completed;
  domain::ItemList errors;
  domain::ItemList warnings;
  friend bool operator==(const ShownState&, const ShownState&) = default;
};

/// The update was counted; `after` is the state right behind it, or absent where nobody asked for that.
struct Applied {
  std::optional<ShownState> after = {};
  bool created = false;
};
/// It was counted before; `now` is the file's present state.
struct Replayed {
  std::shared_ptr<const domain::Progress> now;
};
/// It can never succeed. Nothing was changed. `gate` is there for an update of a log: pass it when its dead letter is
/// durable.
struct Refused {
  domain::Rejection why{};
  GatePtr gate = {};
};
/// The store refuses this update for good. Nothing was changed. `gate` as above. `unreadable`: the stored record of its
/// file cannot be read, with the record's name and the reason; empty where the update itself is too large.
struct Unstorable {
  GatePtr gate = {};
  std::string unreadable = {};
};
/// Try again. `maybe_applied`: it may still be counted, so only a retry with the same key is safe. An update of a log
/// gets this only when its epoch or the service ends: it was dropped, with everything of its stream behind it.
struct Retry {
  bool maybe_applied = false;
};
using Outcome = std::variant<Applied, Replayed, Refused, Unstorable, Retry>;

/// One update's outcome on its way back. `ticket` is what the sink gave with the update.
struct Settlement {
  std::uint64_t ticket = 0;
  Outcome outcome;
};

/// Takes outcomes back to where updates came from. Called from lane threads, once per batch and sink.
class AckSink {
 public:
  virtual ~AckSink() = default;
  virtual void settle(std::vector<Settlement> settlements) = 0;
};

/// The promise that travels with an update: settled exactly once. Letting it fall settles it as `Retry`, so that a
/// lost update comes back instead of vanishing. Move-only; any thread.
class Ack {
 public:
  Ack() = default;
  Ack(AckSink& sink, std::uint64_t ticket) : sink_{&sink}, ticket_{ticket} {}
  Ack(Ack&& other) noexcept : sink_{std::exchange(other.sink_, nullptr)}, ticket_{other.ticket_} {}
  Ack& operator=(Ack&& other) noexcept;
  ~Ack() { drop(); }

  [[nodiscard]] AckSink* sink() const noexcept { return sink_; }
  /// Takes the promise over: whoever calls this delivers the settlement itself.
  [[nodiscard]] std::uint64_t release() noexcept {
    sink_ = nullptr;
    return ticket_;
  }

 private:
  void drop() noexcept;
  AckSink* sink_ = nullptr;
  std::uint64_t ticket_ = 0;
};

/// An update that waits for its commit.
struct Pending {
  domain::StreamId stream;
  Boxed<domain::Command> command;  ///< by far its largest part, and it passes through many hands
  Ack ack;
  /// Of an update that was read from a log in order, and so is kept until it has an outcome, whatever fails meanwhile;
  /// null for one whose sender tries again by itself.
  EpochPtr epoch = {};
  /// Its sender is told the state behind it: thousands of states of one file are much to keep for nobody.
  bool wants_state = true;
};

/// A bound for the memory that a pending update holds.
[[nodiscard]] std::size_t bytes_of(const Pending& pending);

}  // namespace pebbles::ingest
