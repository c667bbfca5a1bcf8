#include "store/sqlite/stored_cursor_key.hpp"

#include <algorithm>

namespace pebbles::store::sqlite {
namespace {

/// Nullopt where there is none.
std::optional<CursorKey> stored_key(const Connection& connection) {
  if (connection.integer_of("SELECT count(*) FROM sqlite_schema WHERE type='table' AND name='secrets'") == 0)
    return std::nullopt;
  auto statement = connection.prepare("SELECT value, typeof(value)='blob' FROM secrets WHERE name='cursor_key'");
  auto rows = statement.run();
  if (!rows.next()) return std::nullopt;
  CursorKey out;
  const auto bytes = rows.integer(1) != 0 ? rows.blob(0) : Blob{};
  if (bytes.size() != out.size())
    throw Failure{SQLITE_CORRUPT,
                  "the row 'cursor_key' of the table secrets is not a blob of 32 bytes. Restore it from a backup, or "
                  "delete the row: then a new key is made, and clients begin again with their lists and feeds"};
  std::ranges::copy(bytes, out.begin());
  return out;
}

}  // namespace

void StoredCursorKey::learn(const Connection& connection) {
  if (get()) return;
  auto known = stored_key(connection);
  if (!known) {
    const auto drawn = draw_cursor_key();
    connection.execute("CREATE TABLE IF NOT EXISTS secrets(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID");
    connection.prepare("INSERT INTO secrets VALUES('cursor_key', ?)").execute(Blob{drawn});
    known = drawn;  // the insert is durable: cursors may be given out
  }
  const std::lock_guard lock{mutex_};
  key_ = known;
}

}  // namespace pebbles::store::sqlite
