#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "domain/decide.hpp"
#include "store/event_store.hpp"

namespace pebbles::ingest {

/// The update was counted; `after` is the state right behind it.
struct Applied {
  std::shared_ptr<const domain::Progress> after;
  bool created = false;
};
/// It was counted before; `now` is the file's present state.
struct Replayed {
  std::shared_ptr<const domain::Progress> now;
};
/// It can never succeed. Nothing was changed.
struct Refused {
  domain::Rejection why{};
};
/// The store refuses this update for good (too large for it, say). Nothing was changed.
struct Unstorable {};
/// Try again. `maybe_applied`: it may still be counted, so only a retry with the same key is safe.
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
  domain::Command command;
  Ack ack;
};

/// A bound for the memory that a pending update holds.
[[nodiscard]] std::size_t bytes_of(const Pending& pending);

}  // namespace pebbles::ingest
