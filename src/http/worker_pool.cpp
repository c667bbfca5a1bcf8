#include "http/worker_pool.hpp"

#include <pthread.h>
#include <sys/resource.h>

#include <utility>

#include "base/free_memory.hpp"
#include "json/parser.hpp"

namespace pebbles::http {
namespace {

constexpr std::chrono::milliseconds rests_after{
    500};  // without a job: then what it had for the last ones is given back

}  // namespace

WorkerPool::WorkerPool(const WorkerPoolOptions& options)
    : options_{options}, share_{options.gives_way, options.parts * options.threads} {
  for (std::size_t i = 0; i < options.threads; ++i) {
    threads_.emplace_back([this] { run(); });
    ::pthread_setname_np(threads_.back().native_handle(), options.name);
  }
}

bool WorkerPool::submit(const Asker& asker, Job job) {
  {
    const std::lock_guard lock{mutex_};
    if (stopped_ || waiting_ >= options_.queue_max) return false;
    const auto free = options_.queue_max - waiting_;
    auto& requester = *requesters_.try_emplace(asker.requester).first;
    if (requester.second.waiting >= free) return false;
    auto& tenant = *requester.second.tenants.try_emplace(asker.tenant).first;
    if (tenant.second.jobs.size() >= free - requester.second.waiting) {
      forget_if_unused(requester, tenant);
      return false;
    }
    tenant.second.jobs.push_back(std::move(job));
    ++waiting_;
    ++requester.second.waiting;
    give_turn(requester, tenant);
  }
  came_.notify_one();
  return true;
}

/// If it has none, and may run a job that waits.
void WorkerPool::give_turn(Requesters::value_type& requester, Tenants::value_type& tenant) {
  auto& state = tenant.second;
  if (state.has_turn || state.jobs.empty() || state.running >= options_.running_of_one_max) return;
  state.has_turn = true;
  requester.second.turns.push_back(&tenant);
  if (std::exchange(requester.second.has_turn, true)) return;
  turns_.push_back(&requester);
}

/// Precondition: there is a turn.
WorkerPool::Turn WorkerPool::take_turn() {
  auto& requester = *turns_.front();
  turns_.pop_front();
  auto& tenant = *requester.second.turns.front();
  requester.second.turns.pop_front();
  requester.second.has_turn = !requester.second.turns.empty();
  if (requester.second.has_turn) turns_.push_back(&requester);
  auto& state = tenant.second;
  Turn out{.requester = &requester, .tenant = &tenant, .job = std::move(state.jobs.front())};
  state.jobs.pop_front();
  state.has_turn = false;
  --waiting_;
  --requester.second.waiting;
  ++state.running;
  give_turn(requester, tenant);
  return out;
}

void WorkerPool::end_turn(const Turn& turn) {
  --turn.tenant->second.running;
  give_turn(*turn.requester, *turn.tenant);  // nobody is woken for it where this thread goes on
  forget_if_unused(*turn.requester, *turn.tenant);
}

void WorkerPool::forget_if_unused(Requesters::value_type& requester, Tenants::value_type& tenant) {
  if (!tenant.second.jobs.empty() || tenant.second.running > 0) return;
  auto& tenants = requester.second.tenants;
  tenants.erase(tenants.find(tenant.first));
  if (tenants.empty()) requesters_.erase(requesters_.find(requester.first));
}

void WorkerPool::stop() {
  std::vector<std::deque<Job>> dropped;  // their jobs' destructors run outside the lock
  {
    const std::lock_guard lock{mutex_};
    stopped_ = true;
    turns_.clear();
    for (auto& [name, requester] : requesters_) {
      requester.turns.clear();
      for (auto& [tenant_name, tenant] : requester.tenants) dropped.emplace_back().swap(tenant.jobs);
    }
  }
  came_.notify_all();
  stopping_.notify_all();
  for (auto& thread : threads_) thread.join();
  threads_.clear();
}

void WorkerPool::run() {
  // Of the calling thread alone, as Linux has it. A system that refuses leaves the threads as they are.
  if (options_.nice != 0) ::setpriority(PRIO_PROCESS, 0, options_.nice);
  const auto can_go_on = [this] { return stopped_ || !turns_.empty(); };
  std::unique_lock lock{mutex_};
  for (bool has_worked = false;; has_worked = true) {
    if (has_worked && !came_.wait_for(lock, rests_after, can_go_on)) {
      lock.unlock();
      release_free_memory();
      lock.lock();
    }
    came_.wait(lock, can_go_on);
    if (stopped_) return;
    auto turn = take_turn();
    lock.unlock();
    const auto began = std::chrono::steady_clock::now();
    turn.job();
    turn.job = nullptr;
    json::release_memory();
    const auto took = std::chrono::steady_clock::now() - began;
    lock.lock();
    end_turn(turn);
    if (!options_.gives_way) continue;
    if (!turns_.empty()) came_.notify_one();
    share_.rest(lock, stopping_, took, [this] { return stopped_; });
  }
}

}  // namespace pebbles::http
