#include "store/sqlite/connection.hpp"

#include <fmt/core.h>

#include "store/sqlite/page_cache.hpp"

namespace pebbles::store::sqlite {
namespace {

[[noreturn]] void raise(sqlite3* connection, int code) {
  throw Failure{connection != nullptr ? sqlite3_extended_errcode(connection) : code,
                connection != nullptr ? sqlite3_errmsg(connection) : sqlite3_errstr(code)};
}

}  // namespace

Error to_error(const Failure& failure, std::string_view path) {
  const bool corrupt = failure.primary() == SQLITE_CORRUPT || failure.primary() == SQLITE_NOTADB;
  return Error{corrupt ? Errc::store_corrupt : Errc::store_unavailable,
               fmt::format("{}{}SQLite: {} (code {})", path, path.empty() ? "" : ": ", failure.what(), failure.code())};
}

Statement::Statement(sqlite3* connection, std::string_view sql) : connection_{connection} {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(connection, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                      &statement, nullptr);
  if (code != SQLITE_OK) raise(connection, code);
  statement_.reset(statement);
}

bool Statement::Rows::next() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  raise(sqlite3_db_handle(statement_), code);
}

std::string_view Statement::Rows::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

Blob Statement::Rows::blob(int column) const {
  const auto* bytes = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_, column));
  return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

void Statement::check(int code) {
  if (code != SQLITE_OK) raise(connection_, code);
}

void Statement::bind(int index, std::int64_t value) { check(sqlite3_bind_int64(statement_.get(), index, value)); }

void Statement::bind(int index, std::string_view value) {
  check(sqlite3_bind_text64(statement_.get(), index, value.data() != nullptr ? value.data() : "", value.size(),
                            SQLITE_STATIC, SQLITE_UTF8));
}

void Statement::bind(int index, Blob value) {
  check(sqlite3_bind_blob64(statement_.get(), index, value.data(), value.size(), SQLITE_STATIC));
}

void Statement::bind(int index, std::nullptr_t) { check(sqlite3_bind_null(statement_.get(), index)); }

Connection::Connection(const std::string& path, const std::string& vfs, Access access) {
  spare_page_cache_walks();
  const int mode = access == Access::read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &handle, mode | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                                   vfs.empty() ? nullptr : vfs.c_str());
  handle_.reset(handle);
  if (code != SQLITE_OK) raise(handle, code);
}

void Connection::execute(const std::string& sql) const {
  const int code = sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) raise(handle_.get(), code);
}

std::int64_t Connection::integer_of(std::string_view sql) const {
  auto statement = prepare(sql);
  auto rows = statement.run();
  return rows.next() ? rows.integer(0) : 0;
}

}  // namespace pebbles::store::sqlite
