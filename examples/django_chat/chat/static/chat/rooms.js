// The list of rooms grows by itself when somebody opens one.
'use strict';

if (window.io?.Manager) {
  io('/chat').on('room', (name, address) => {
    const rooms = document.getElementById('rooms');
    if ([...rooms.querySelectorAll('a')].some((link) => link.pathname === address)) return;
    const link = document.createElement('a');
    link.href = address;
    link.textContent = name;
    const item = document.createElement('li');
    item.append(link);
    rooms.append(item);
    document.getElementById('no-rooms').hidden = true;
  });
}
