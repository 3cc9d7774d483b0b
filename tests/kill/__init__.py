"""The kill drill: what a callee saw, beside what dialerd has recorded, whatever was killed or cut meanwhile."""
