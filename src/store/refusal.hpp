#pragma once
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace pebbles::store {

/// Why commits fail, while they do. Threads: any.
class Refusal {
 public:
  void set(std::string why) {
    const std::lock_guard lock{mutex_};
    why_ = std::move(why);
  }
  void clear() {
    const std::lock_guard lock{mutex_};
    why_.reset();
  }
  [[nodiscard]] std::optional<std::string> why() const {
    const std::lock_guard lock{mutex_};
    return why_;
  }

 private:
  mutable std::mutex mutex_;
  std::optional<std::string> why_;
};

}  // namespace pebbles::store
