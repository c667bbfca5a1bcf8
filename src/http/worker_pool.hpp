#pragma once
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <vector>

#include "http/task.hpp"

namespace pebbles::http {

struct WorkerPoolOptions {
  std::size_t threads = 2;
  std::size_t queue_max = 1024;  ///< jobs that wait
};

/// A few threads for what may block, which loops must not. Threads: any may submit.
/// Lifetime: stopped after the server's loops, and before they are destroyed.
class WorkerPool {
 public:
  using Job = std::move_only_function<void()>;

  explicit WorkerPool(const WorkerPoolOptions& options);
  ~WorkerPool() { stop(); }
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  /// False, and the job is dropped, when the queue is full or the pool has stopped. Jobs don't throw.
  [[nodiscard]] bool submit(Job job);

  /// Finishes what runs, drops what waits, ends the threads.
  void stop();

 private:
  void run();

  const std::size_t queue_max_;
  std::mutex mutex_;
  std::condition_variable came_;
  std::deque<Job> jobs_;
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

/// Runs `work` on the pool and resumes on the loop that it was called from. Nullopt when the pool is full. What
/// `work` throws comes out here. Name `work` before the `co_await` and move it in.
template <class Work>
Task<std::optional<std::invoke_result_t<Work&>>> run_on(WorkerPool& pool, Work work) {
  using Answer = std::optional<std::invoke_result_t<Work&>>;
  auto executor = co_await asio::this_coro::executor;
  auto initiate = [&pool, executor](auto handler, Work run) {
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    auto job = [executor, shared, run = std::move(run)]() mutable {
      Answer answer;
      std::exception_ptr surprise;
      try {
        answer.emplace(run());
      } catch (...) {
        surprise = std::current_exception();
      }
      asio::post(executor, [waiting = std::move(shared), surprise, answer = std::move(answer)]() mutable {
        auto resume = std::move(*waiting);
        waiting.reset();
        std::move(resume)(surprise, std::move(answer));
      });
    };
    if (pool.submit(std::move(job))) return;
    asio::post(executor, [shared]() mutable {
      auto resume = std::move(*shared);
      shared.reset();
      std::move(resume)(std::exception_ptr{}, Answer{});
    });
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<Executor>, void(std::exception_ptr, Answer)>(
      initiate, use_task, std::move(work));
}

}  // namespace pebbles::http
