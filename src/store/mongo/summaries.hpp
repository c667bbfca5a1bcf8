#pragma once
#include <array>
#include <chrono>
#include <mutex>
#include <string>
#include <unordered_map>

#include "store/mongo/shared.hpp"

namespace pebbles::store::mongo {

/// Counts a client's files by the index over their states. A completed file never changes again: those that were
/// completed a while ago are counted once and remembered for some minutes, so that a summary costs what is running and
/// what was completed lately. Whatever else changes old files (`rebuild`, deleting) notes a disturbance, which ends
/// what every instance remembers. Threads: any. Errors: store_unavailable, store_corrupt.
class Summaries {
 public:
  explicit Summaries(std::shared_ptr<Shared> shared) : shared_{std::move(shared)} {}

  [[nodiscard]] Result<ClientSummary> summary(const Lease& lease, const domain::ClientKrn& client,
                                              Timestamp stalled_before);

 private:
  using Clock = std::chrono::steady_clock;
  /// Completed files that were last updated before a time.
  struct Old {
    std::array<std::int64_t, states> files{};
    Timestamp before;
    Clock::time_point counted;
    std::int64_t disturbances = 0;
  };

  Result<Old> old_files(const Lease& lease, const domain::ClientKrn& client);
  Result<std::int64_t> count(const Lease& lease, const domain::ClientKrn& client, int state, const Bson& updated) const;
  Result<void> count_stateless(const Lease& lease, const domain::ClientKrn& client, Timestamp stalled_before,
                               ClientSummary& out) const;

  std::shared_ptr<Shared> shared_;
  std::mutex mutex_;
  std::unordered_map<std::string, Old> old_;  ///< by client
};

/// The state of a document (`state_of`) as an expression, for documents that lack it.
[[nodiscard]] const Bson& state_expression();

/// Old files of that client have changed, or are gone: call it when that is done. Error: store_unavailable.
Result<void> note_disturbance(Shared& shared, const Lease& lease, const domain::ClientKrn& client);

}  // namespace pebbles::store::mongo
