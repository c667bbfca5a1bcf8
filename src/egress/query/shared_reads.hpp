#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "http/task.hpp"
#include "http/worker_pool.hpp"
#include "store/progress_reader.hpp"

namespace pebbles::query {

/// Reads of single records on the pool. While one is under way, all who ask for the same record wait for the next one,
/// and share it: a record that everybody looks at costs the store one read at a time. Nobody gets an answer of a read
/// that began before they asked, so everybody sees what was committed before.
/// Threads: its loop's. Lifetime: as its loop's routes.
class SharedReads {
 public:
  using Found = Result<store::SnapshotPtr>;
  using Read = std::function<Found()>;

  SharedReads(http::Executor executor, http::WorkerPool& pool) : executor_{executor}, pool_{pool} {}
  SharedReads(const SharedReads&) = delete;
  SharedReads& operator=(const SharedReads&) = delete;

  struct Question {
    http::Asker asker;   ///< in whose turn it is read
    std::string record;  ///< names what `read` reads, among all clients' records
    Read read;
  };
  /// Nullopt when the pool is full for this client.
  [[nodiscard]] http::Task<std::optional<Found>> ask(Question question);

 private:
  using Resume = std::move_only_function<void(std::optional<Found>)>;
  using Waiting = std::vector<Resume>;
  struct Flight {
    Question question;
    Waiting waiting;  ///< for the next read
  };

  void begin(const std::string& record);
  void end(const std::string& record, Waiting& waiting, std::optional<Found> found);

  http::Executor executor_;
  http::WorkerPool& pool_;
  std::unordered_map<std::string, Flight> flights_;  ///< those under way
};

}  // namespace pebbles::query
