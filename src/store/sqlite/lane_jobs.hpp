#pragma once
#include <chrono>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <optional>
#include <utility>

#include "base/result.hpp"

namespace pebbles::store::sqlite {

class Writer;

/// Work that somebody has for the one connection that may write. The lane does it between batches, whole jobs, so each
/// is to be short. Threads: any.
class LaneJobs {
 public:
  using Job = std::move_only_function<void(Writer*)>;

  /// Called when a job came, from the thread that brought it: an idle lane has to be woken.
  void on_job(std::function<void()> wake) {
    const std::lock_guard lock{mutex_};
    wake_ = std::move(wake);
  }

  /// An idle lane is to do its upkeep.
  void wake() {
    std::function<void()> wake;
    {
      const std::lock_guard lock{mutex_};
      wake = wake_;
    }
    if (wake) wake();
  }

  /// Runs `work` on the lane and waits for what it gives; it owns what it uses, since it may run when nobody waits any
  /// more. Errors: its own; store_unavailable when there is no lane any
  /// more, or it has no time for so long.
  template <class Work>
  auto run(Work work) -> std::invoke_result_t<Work&, Writer&> {
    using Answer = std::invoke_result_t<Work&, Writer&>;
    std::promise<Answer> promise;
    auto answer = promise.get_future();
    push([work = std::move(work), promise = std::move(promise)](Writer* writer) mutable {
      promise.set_value(work(*writer));
    });
    constexpr std::chrono::seconds patience{30};
    try {
      if (answer.wait_for(patience) == std::future_status::ready) return answer.get();
    } catch (const std::future_error&) {  // the lane has ended with the job in its queue
    }
    return failure(Errc::store_unavailable, "the store's lane has no time for upkeep");
  }

  /// The oldest that has waited for `since`, if there is one.
  [[nodiscard]] std::optional<Job> take(std::chrono::milliseconds since) {
    const std::lock_guard lock{mutex_};
    if (jobs_.empty() || std::chrono::steady_clock::now() < jobs_.front().first + since) return std::nullopt;
    auto out = std::move(jobs_.front().second);
    jobs_.pop_front();
    return out;
  }

  /// Nobody will take any.
  void close() {
    const std::lock_guard lock{mutex_};
    closed_ = true;
    jobs_.clear();
  }

 private:
  void push(Job job) {
    std::function<void()> wake;
    {
      const std::lock_guard lock{mutex_};
      if (closed_) return;
      jobs_.emplace_back(std::chrono::steady_clock::now(), std::move(job));
      wake = wake_;
    }
    if (wake) wake();
  }

  std::mutex mutex_;
  std::function<void()> wake_;
  std::deque<std::pair<std::chrono::steady_clock::time_point, Job>> jobs_;
  bool closed_ = false;
};

}  // namespace pebbles::store::sqlite
