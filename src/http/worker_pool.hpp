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
#include <string>
#include <thread>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include "base/background_share.hpp"
#include "http/asker.hpp"
#include "http/task.hpp"

namespace pebbles::http {

struct WorkerPoolOptions {
  std::size_t threads = 2;
  std::size_t queue_max = 1024;           ///< jobs that wait
  std::size_t running_of_one_max = 1024;  ///< jobs of one tenant that run at once
  const char* name = "reader";            ///< of its threads, at most 15 bytes
  int nice = 0;                           ///< how far its threads stand back behind the others of the process
  std::function<bool()> gives_way = {};   ///< whether there is work that cannot wait (`BackgroundShare`); any thread
  std::size_t parts = 40;                 ///< of which all its threads together then work one
};

/// A few threads for what may block, which loops must not. Requesters take turns, and the tenants of each: so a flood
/// waits for its own jobs. A requester fills at most half of the queue that is free, a tenant at most half of what that
/// leaves, and it has at most `running_of_one_max` threads.
/// Threads: any may submit. Lifetime: stopped after the server's loops, and before they are destroyed.
class WorkerPool {
 public:
  using Job = std::move_only_function<void()>;

  explicit WorkerPool(const WorkerPoolOptions& options);
  ~WorkerPool() { stop(); }
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  /// False, and the job is dropped, when the queue is full for this asker or the pool has stopped. Jobs don't throw.
  [[nodiscard]] bool submit(const Asker& asker, Job job);

  /// Finishes what runs, drops what waits, ends the threads.
  void stop();

 private:
  struct Tenant {
    std::deque<Job> jobs;  ///< that wait
    std::size_t running = 0;
    bool has_turn = false;
  };
  using Tenants = std::unordered_map<std::string, Tenant>;
  struct Requester {
    Tenants tenants;                         ///< only those with jobs
    std::deque<Tenants::value_type*> turns;  ///< those of whom a job may begin, each once
    std::size_t waiting = 0;
    bool has_turn = false;
  };
  using Requesters = std::unordered_map<std::string, Requester>;
  struct Turn {
    Requesters::value_type* requester;
    Tenants::value_type* tenant;
    Job job;
  };

  void run();
  void give_turn(Requesters::value_type& requester, Tenants::value_type& tenant);
  Turn take_turn();
  void end_turn(const Turn& turn);
  void forget_if_unused(Requesters::value_type& requester, Tenants::value_type& tenant);

  const WorkerPoolOptions options_;
  const BackgroundShare share_;
  std::mutex mutex_;
  std::condition_variable came_;
  std::condition_variable stopping_;           // of those who rest, who must not be woken for a job
  Requesters requesters_;                      // only those with jobs
  std::deque<Requesters::value_type*> turns_;  // those of whom a job may begin, each once
  std::size_t waiting_ = 0;
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

/// Runs `work` on the pool, in the asker's turn, and resumes on the loop that it was called from. Nullopt when the pool
/// is full. What `work` throws comes out here. Name `work` before the `co_await` and move it in.
template <class Work>
Task<std::optional<std::invoke_result_t<Work&>>> run_on(WorkerPool& pool, Asker asker, Work work) {
  using Answer = std::optional<std::invoke_result_t<Work&>>;
  auto executor = co_await asio::this_coro::executor;
  auto initiate = [&pool, executor, asker = std::move(asker)](auto handler, Work run) {
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    auto job = [executor, shared, run = std::move(run)]() mutable {
      Answer answer;
      std::exception_ptr surprise;
      try {
        answer.emplace(run());
      } catch (...) {
        surprise = std::current_exception();
      }
      asio::post(executor,
                 [waiting = std::move(shared), surprise = std::move(surprise), answer = std::move(answer)]() mutable {
                   auto resume = std::move(*waiting);
                   waiting.reset();
                   std::move(resume)(surprise, std::move(answer));
                 });
    };
    if (pool.submit(asker, std::move(job))) return;
    asio::post(executor, [shared]() mutable {
      auto resume = std::move(*shared);
      shared.reset();
      std::move(resume)(std::exception_ptr{}, Answer{});
    });
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<Executor>, void(std::exception_ptr, Answer)>(
      initiate, use_task, std::move(work));
}

/// The same for work that no request is behind, or all of one kind.
template <class Work>
auto run_on(WorkerPool& pool, std::string requester, Work work) {
  return run_on(pool, Asker{.requester = std::move(requester)}, std::move(work));
}

}  // namespace pebbles::http
