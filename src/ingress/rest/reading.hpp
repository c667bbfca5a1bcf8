#pragma once
#include <chrono>
#include <cstddef>
#include <expected>
#include <functional>
#include <optional>
#include <string>

#include "http/fair_budget.hpp"
#include "http/task.hpp"
#include "http/worker_pool.hpp"

/// How the body of a large request is read: with room in the budget taken before, and by a thread that reads one at a
/// time, so that a parser's memory is there once.
namespace pebbles::rest {

/// What a loop reads itself: more would keep its other connections waiting.
inline constexpr std::size_t read_at_once_bytes_max = 64UL << 10U;
/// Bodies up to this take no room: there are at most as many as connections.
inline constexpr std::size_t unbudgeted_bytes_max = 16UL << 10U;

struct ReadingParts {
  http::WorkerPool& pool;
  http::FairBudget& bodies;
  std::string requester;
  /// For so long room is waited for: what has come was sent in vain otherwise.
  std::chrono::milliseconds patience{5'000};
};

/// What reading a body gave, and its share of the budget.
template <class Read>
struct WithShare {
  Read value;
  http::FairBudget::Share share;
};

/// Pauses the coroutine.
[[nodiscard]] http::Task<void> pause(std::chrono::milliseconds length);

/// Runs `read` once there is room for `bytes_max`, on the pool where the body is large. Nullopt: there was none for
/// too long, or the pool is full. Shrink the share to what is used then.
template <class Read>
http::Task<std::optional<WithShare<std::invoke_result_t<Read&>>>> read_with_room(ReadingParts parts,
                                                                                 std::size_t body_bytes,
                                                                                 std::size_t bytes_max, Read read) {
  using Given = WithShare<std::invoke_result_t<Read&>>;
  constexpr std::chrono::milliseconds between{20};
  if (body_bytes <= unbudgeted_bytes_max) co_return Given{read(), {}};
  const auto until = std::chrono::steady_clock::now() + parts.patience;
  do {
    // Taken by the thread that reads: what waits for its turn needs no room yet.
    auto attempt = [&parts, &read, bytes_max]() -> std::optional<Given> {
      auto share = parts.bodies.take(parts.requester, bytes_max, http::FairBudget::Use::reading);
      if (!share) return std::nullopt;
      return Given{read(), *std::move(share)};
    };
    if (body_bytes <= read_at_once_bytes_max) {
      if (auto given = attempt()) co_return given;
    } else {
      auto asker = parts.requester;
      auto given = co_await http::run_on(parts.pool, std::move(asker), std::move(attempt));
      if (!given) co_return std::nullopt;
      if (*given) co_return *std::move(given);
    }
    co_await pause(between);
  } while (std::chrono::steady_clock::now() < until);
  co_return std::nullopt;
}

}  // namespace pebbles::rest
