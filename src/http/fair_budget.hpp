#pragma once
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

namespace pebbles::http {

/// The memory that many of a kind may hold together, where who holds on to it must not keep others waiting: beyond its
/// first bytes one asker has at most half of what is free, give or take its last step, so another always finds room.
/// Threads: any. Lifetime: outlives what was taken of it.
class FairBudget {
 public:
  /// What an asker may have as long as anything is free: a body of 1 MiB, in a buffer that has just doubled.
  static constexpr std::size_t first_bytes_max = 2UL << 20U;

  explicit FairBudget(std::size_t bytes_max) : bytes_max_{bytes_max} {}
  FairBudget(const FairBudget&) = delete;
  FairBudget& operator=(const FairBudget&) = delete;

  /// Whether so much more should be begun for this asker.
  [[nodiscard]] bool has_room(const std::string& asker, std::size_t bytes) const {
    const std::lock_guard lock{mutex_};
    if (bytes_ >= bytes_max_) return false;
    const auto entry = of_askers_.find(asker);
    const auto own = bytes + (entry == of_askers_.end() ? 0 : entry->second);
    return own <= first_bytes_max || own <= bytes_max_ - bytes_;
  }

  /// Takes so much for as long as what is returned lives, whether there is room or not: it is in use already.
  [[nodiscard]] std::shared_ptr<const void> take(const std::string& asker, std::size_t bytes) {
    const std::lock_guard lock{mutex_};
    bytes_ += bytes;
    of_askers_[asker] += bytes;
    return {this, [asker, bytes](FairBudget* budget) { budget->give_back(asker, bytes); }};
  }

  [[nodiscard]] bool is_unused() const {
    const std::lock_guard lock{mutex_};
    return bytes_ == 0 && of_askers_.empty();
  }

 private:
  void give_back(const std::string& asker, std::size_t bytes) {
    const std::lock_guard lock{mutex_};
    bytes_ -= bytes;
    const auto entry = of_askers_.find(asker);
    if (entry == of_askers_.end()) return;  // it took nothing, and others' ends have erased it
    entry->second -= bytes;
    if (entry->second == 0) of_askers_.erase(entry);
  }

  const std::size_t bytes_max_;
  mutable std::mutex mutex_;
  std::size_t bytes_ = 0;
  std::unordered_map<std::string, std::size_t> of_askers_;
};

}  // namespace pebbles::http
