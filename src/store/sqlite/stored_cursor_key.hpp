#pragma once
#include <mutex>
#include <optional>

#include "store/cursor_key.hpp"
#include "store/sqlite/connection.hpp"

namespace pebbles::store::sqlite {

/// The key of cursors, which stands in the table `secrets` of its own: `meta` has numbers alone, of which programs of
/// this version and earlier ones take the largest. Threads: any.
class StoredCursorKey {
 public:
  [[nodiscard]] std::optional<CursorKey> get() const {
    const std::lock_guard lock{mutex_};
    return key_;
  }
  /// Reads it, or draws and stores it where there is none; nothing once it is known. The connection may write.
  /// Throws Failure: SQLITE_CORRUPT where what stands there is no key. It is left alone.
  void learn(const Connection& connection);

 private:
  mutable std::mutex mutex_;
  std::optional<CursorKey> key_;
};

}  // namespace pebbles::store::sqlite
