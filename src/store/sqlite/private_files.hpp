#pragma once
#include <string>

/// The files of a store are for their owner alone: they hold what tenants report, and who they are.
namespace pebbles::store::sqlite {

/// Makes the database's file (0600, whatever the umask) where there is none. SQLite gives its journals the mode of the
/// database. Nothing where it cannot be made: opening it says why.
void create_private_file(const std::string& path);

/// Takes from others what they may do with the files at and beside `path`: of earlier versions, or of a copy that was
/// put in place. What cannot be changed is logged.
void keep_private(const std::string& path);

}  // namespace pebbles::store::sqlite
