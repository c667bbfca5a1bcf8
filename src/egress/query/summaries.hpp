#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "egress/query/read_progress.hpp"
#include "http/task.hpp"

namespace pebbles::query {

/// Summaries of clients, each kept for a moment. While one is read, all who ask for it wait for that: a client that
/// everybody looks at costs the store one count a moment.
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

  /// Nullopt when the pool is full for this client.
  [[nodiscard]] http::Task<std::optional<Found>> ask(std::string client);

 private:
  using Resume = std::move_only_function<void(std::optional<Found>)>;
  using Steady = std::chrono::steady_clock;
  struct Kept {
    std::optional<Summary> summary;
    Steady::time_point read_at;   ///< when the read of `summary` began
    std::vector<Resume> waiting;  ///< not empty while a read is under way
  };

  void begin(const std::string& client);
  void end(const std::string& client, Steady::time_point began, std::optional<Found> found);
  void purge(Steady::time_point now);

  http::Executor executor_;
  const QueryParts& parts_;
  std::unordered_map<std::string, Kept> kept_;  ///< by client
};

}  // namespace pebbles::query
