#pragma once
#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "egress/query/read_progress.hpp"
#include "http/task.hpp"

namespace pebbles::query {

/// Summaries of clients, each kept for a moment, of the thousand read last; nothing is kept of a client without files.
/// While one is read, all callers that ask for it wait for that: a client that everybody looks at costs the store one
/// count a moment. No call takes longer where there are many.
/// Threads: its loop's. Lifetime: as its loop's routes.
class Summaries {
 public:
  struct Summary {
    store::ClientSummary files;
    Timestamp as_of;
  };
  using Found = Result<Summary>;
  /// Beside what MongoDB's snapshots lag behind, an answer stays under the five seconds that are promised.
  static constexpr std::chrono::seconds age_max{2};

  Summaries(http::Executor executor, const QueryParts& parts) : executor_{executor}, parts_{parts} {}
  Summaries(const Summaries&) = delete;
  Summaries& operator=(const Summaries&) = delete;

  /// Nullopt when the pool is full for this asker.
  [[nodiscard]] http::Task<std::optional<Found>> ask(std::string client, http::Asker asker);

 private:
  using Resume = std::move_only_function<void(std::optional<Found>)>;
  using Steady = std::chrono::steady_clock;
  struct Kept {
    std::string client;
    Summary summary;
    Steady::time_point read_at;  ///< when the read began
  };
  using KeptList = std::list<Kept>;
  static constexpr std::size_t kept_max = 1000;

  [[nodiscard]] const Summary* kept(const std::string& client, Steady::time_point now);
  void begin(const std::string& client, const http::Asker& asker);
  void end(const std::string& client, Steady::time_point began, std::optional<Found> found);
  void keep(const std::string& client, Steady::time_point began, const Summary& summary);

  http::Executor executor_;
  const QueryParts& parts_;
  std::unordered_map<std::string, std::vector<Resume>> waiting_;  ///< for the read under way, by client
  KeptList kept_;                                                 ///< the oldest first
  std::unordered_map<std::string, KeptList::iterator> by_client_;
};

}  // namespace pebbles::query
