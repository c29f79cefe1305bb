//! Chats whose model is the scripted one and whose tools are those of a server in a fake sandbox.

mod answers;
mod bed;
mod built_in;
mod calls;
mod lines;
mod readers;
mod restarts;
