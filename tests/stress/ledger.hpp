#pragma once
#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

#include "ingest/pending.hpp"

namespace pebbles::stress {

/// What was offered and what was answered, to be compared with what is stored. Threads: any.
class Ledger final : public ingest::AckSink {
 public:
  /// What is known of one file.
  struct File {
    std::atomic<std::int64_t> offered{0};
    std::atomic<std::int64_t> settled{0};
    std::atomic<std::int64_t> applied{0};  ///< updates
    std::atomic<std::int64_t> done{0};     ///< the sum of what was applied
    std::atomic<domain::Version> answered_version{0};
    /// Nothing of it is under way. `settled` is read first: were it last, an offer in between would go unseen.
    [[nodiscard]] bool is_idle() const {
      const auto answers = settled.load();
      return answers == offered.load();
    }
  };
  struct Offer {
    std::uint32_t file = 0;
    std::int32_t done = 0;
    std::int64_t key = -1;  ///< -1: none
  };

  Ledger(std::size_t files, std::size_t keys) : files_(files), key_is_stored_(keys), key_applied_(keys) {}

  /// Before the update is submitted.
  [[nodiscard]] ingest::Ack offer(const Offer& offer) {
    files_[offer.file].offered.fetch_add(1);
    const std::lock_guard lock{mutex_};
    tickets_.emplace_back().offer = offer;
    return {*this, tickets_.size() - 1};
  }
  /// The update came back from `submit`.
  void took_back(ingest::Ack ack) {
    const auto ticket = ack.release();
    Ticket& taken = ticket_of(ticket);
    if (taken.answers.fetch_add(1) != 0) ++doubled;
    files_[taken.offer.file].settled.fetch_add(1);
    ++returned;
  }

  void settle(std::vector<ingest::Settlement> settlements) override {
    for (const auto& settlement : settlements) {
      Ticket& ticket = ticket_of(settlement.ticket);
      if (ticket.answers.fetch_add(1) != 0) ++doubled;
      std::visit([&](const auto& outcome) { note(ticket.offer, outcome); }, settlement.outcome);
      files_[ticket.offer.file].settled.fetch_add(1);
    }
  }

  [[nodiscard]] const File& file(std::size_t index) const { return files_[index]; }
  [[nodiscard]] std::int64_t unsettled() {
    const std::lock_guard lock{mutex_};
    std::int64_t out = 0;
    for (const auto& ticket : tickets_) out += ticket.answers.load() == 0 ? 1 : 0;
    return out;
  }
  /// Keys that were answered as stored, but not applied exactly once.
  [[nodiscard]] std::int64_t keys_not_applied_once() const {
    std::int64_t out = 0;
    for (std::size_t i = 0; i < key_applied_.size(); ++i)
      out += key_applied_[i].load() == (key_is_stored_[i].load() ? 1 : 0) ? 0 : 1;
    return out;
  }

  std::atomic<std::int64_t> doubled{0};
  std::atomic<std::int64_t> applied{0};
  std::atomic<std::int64_t> replayed{0};
  std::atomic<std::int64_t> refused{0};
  std::atomic<std::int64_t> retried{0};
  std::atomic<std::int64_t> returned{0};
  std::atomic<std::int64_t> unexpected{0};

 private:
  struct Ticket {
    Offer offer;
    std::atomic<int> answers{0};
  };

  Ticket& ticket_of(std::uint64_t ticket) {
    const std::lock_guard lock{mutex_};
    return tickets_[ticket];  // a deque: it stays where it is
  }
  void stored(const Offer& offer, domain::Version version) {
    auto& newest = files_[offer.file].answered_version;
    for (auto known = newest.load(); known < version && !newest.compare_exchange_weak(known, version);) {
    }
    if (offer.key >= 0) key_is_stored_[static_cast<std::size_t>(offer.key)] = true;
  }
  void note(const Offer& offer, const ingest::Applied& outcome) {
    ++applied;
    File& file = files_[offer.file];
    file.applied.fetch_add(1);
    file.done.fetch_add(offer.done);
    if (offer.key >= 0) key_applied_[static_cast<std::size_t>(offer.key)].fetch_add(1);
    if (outcome.created != (outcome.after->version == 1)) ++unexpected;
    stored(offer, outcome.after->version);
  }
  void note(const Offer& offer, const ingest::Replayed& outcome) {
    ++replayed;
    stored(offer, outcome.now->version);
  }
  void note(const Offer&, const ingest::Refused&) { ++refused; }
  void note(const Offer&, const ingest::Unstorable&) { ++unexpected; }
  void note(const Offer&, const ingest::Retry& outcome) {
    ++retried;
    if (outcome.maybe_applied) ++unexpected;  // SQLite always knows
  }

  std::vector<File> files_;
  std::vector<std::atomic<bool>> key_is_stored_;
  std::vector<std::atomic<int>> key_applied_;
  std::mutex mutex_;
  std::deque<Ticket> tickets_;
};

}  // namespace pebbles::stress
