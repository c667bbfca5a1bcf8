"""Takes one file out of a zip: unzip_one.py ARCHIVE END_OF_ITS_NAME TARGET."""
import shutil
import sys
import zipfile

archive, ending, target = sys.argv[1:]
with zipfile.ZipFile(archive) as files:
    name, = (name for name in files.namelist() if name.endswith(ending))
    with files.open(name) as source, open(target, "wb") as out:
        shutil.copyfileobj(source, out)
