#pragma once
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <vector>

#include "ingest/pending.hpp"
#include "ingress/sqs/protocol.hpp"
#include "ingress/sqs/ticket.hpp"

namespace pebbles::sqs {

/// A message that can never be counted.
struct Poisoned {
  Ticket ticket = 0;
  std::string reason;
  std::string detail;
  ingest::GatePtr gate;  ///< null for one that is no update at all
};

/// The messages that are held: received and not yet deleted or given back. A message that is delivered again meanwhile
/// is not taken twice: its newer receipt replaces the older, which may be worth nothing any more.
/// Threads: any. Lifetime: until the lanes have ended.
class InFlight final : public ingest::AckSink {
 public:
  using SteadyTime = std::chrono::steady_clock::time_point;

  struct Bounds {
    std::size_t messages_max = 0;
    std::size_t bytes_max = 0;
  };
  /// Told of outcomes, without a lock, from the thread that brings them. None blocks.
  struct Hooks {
    std::function<void(std::vector<Ticket>)> stored;   ///< they are counted, now or before: to be deleted
    std::function<void(Poisoned)> poisoned;            ///< held until it is dealt with
    std::function<void(std::vector<Ticket>)> dropped;  ///< their updates came back undecided: forgotten here
  };

  InFlight(Bounds bounds, Hooks hooks) : bounds_{bounds}, hooks_{std::move(hooks)} {}

  /// Takes messages that were received at `at`. A ticket for each; 0 for one that is held already.
  [[nodiscard]] std::vector<Ticket> add(std::vector<ReceivedMessage> messages, SteadyTime at);
  /// It is no update.
  void refuse(Ticket ticket, std::string_view reason, std::string_view detail);
  void settle(std::vector<ingest::Settlement> settlements) override;

  /// The newest receipt; nullopt when it is not held any more.
  [[nodiscard]] std::optional<std::string> receipt(Ticket ticket) const;
  [[nodiscard]] std::optional<ReceivedMessage> message(Ticket ticket) const;
  void forget(std::span<const Ticket> tickets);
  /// Those of messages that have no outcome yet.
  [[nodiscard]] std::vector<std::string> open_receipts() const;

  /// How long the queue hides a message that was received.
  void set_visibility_timeout(std::chrono::seconds timeout);
  struct Due {
    Ticket ticket = 0;
    VisibilityChange change;
  };
  /// Those that come into sight soon, to be hidden on. Each comes again after half the time-out; not beyond the 12
  /// hours that SQS allows.
  [[nodiscard]] std::vector<Due> take_due(SteadyTime now);
  /// It cannot be hidden any longer: its receipt is not valid any more.
  void give_up_hiding(Ticket ticket);

  [[nodiscard]] std::size_t size() const;
  /// When the one was received that has had no outcome for longest.
  [[nodiscard]] std::optional<SteadyTime> oldest_open() const;
  [[nodiscard]] bool has_room() const;
  /// Waits until there is room for more. False when there still is none, or `stop` was requested.
  bool wait_for_room(std::chrono::milliseconds patience, const std::stop_token& stop);
  /// False when some are still held.
  bool wait_until_empty(std::chrono::milliseconds patience);

 private:
  struct Entry {
    ReceivedMessage message;
    std::size_t bytes = 0;
    SteadyTime arrived;   ///< first
    SteadyTime received;  ///< last
    std::optional<SteadyTime> hide_again;
    bool open = true;  ///< without an outcome
  };
  struct Outcomes;

  [[nodiscard]] std::chrono::milliseconds half_of_timeout() const;
  void settle_one(ingest::Settlement& settlement, Outcomes& outcomes);
  void erase(Ticket ticket);
  [[nodiscard]] bool is_full() const;

  const Bounds bounds_;
  const Hooks hooks_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::unordered_map<Ticket, Entry> entries_;
  std::unordered_map<std::string, Ticket> by_id_;
  std::chrono::seconds visibility_timeout_{30};
  std::size_t bytes_ = 0;
  Ticket last_ = 0;
};

}  // namespace pebbles::sqs
