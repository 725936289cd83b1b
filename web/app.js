'use strict';
// The page: every view is a function of the path; the server sends this same page for each of them.

// --- texts: the server's messages come in the browser's language, so the page does too
const TEXTS = {
  en: {
    skip: 'Skip to the content', search: 'Search', searchHint: 'Search titles', upload: 'Upload', mine: 'My videos', signOut: 'Sign out',
    signIn: 'Sign in', register: 'Register', newest: 'Newest', more: 'More', remove: 'Delete', username: 'Name', password: 'Password (8 to 72 bytes)',
    file: 'Video file', title: 'Title', description: 'Description', tags: 'Tags, separated by commas', visibility: 'Who can see it',
    public: 'Everyone', unlisted: 'Everyone with the link', private: 'Only me', cancel: 'Cancel', nothing: 'Nothing here yet.',
    noAccount: 'No account yet?', haveAccount: 'Already registered?', results: q => `Results for “${q}”`, videosOf: n => `Videos of ${n}`,
    sending: p => `Sending: ${p} %`, received: 'Received. Checking the file…', working: (s, p) => `Processing (${s}): ${p} %`,
    watchable: 'It can be watched.', failed: m => `It could not be processed: ${m}`, offline: 'The server cannot be reached.',
    chooseFile: 'Choose a video file.', giveTitle: 'Give it a title.', again: 'Please sign in again.', views: n => `${n} views`,
    cancelled: 'Cancelled.', noPage: 'There is no such page.', sure: t => `Delete “${t}”? This cannot be undone.`, notReady: 'This video is still being processed.',
    broken: 'The video could not be played.', unexpected: 'The server sent an unexpected answer.',
  },
  zh: {
    skip: '跳到正文', search: '搜索', searchHint: '搜索标题', upload: '上传', mine: '我的视频', signOut: '退出', signIn: '登录', register: '注册',
    newest: '最新', more: '更多', remove: '删除', username: '用户名', password: '密码（8 到 72 字节）', file: '视频文件', title: '标题', description: '简介',
    tags: '标签，用逗号分隔', visibility: '谁可以看', public: '所有人', unlisted: '知道链接的人', private: '只有我', cancel: '取消', nothing: '这里还没有内容。',
    noAccount: '还没有账号？', haveAccount: '已经注册？', results: q => `“${q}”的搜索结果`, videosOf: n => `${n} 的视频`, sending: p => `上传中：${p} %`,
    received: '已收到，正在检查文件…', working: (s, p) => `处理中（${s}）：${p} %`, watchable: '可以观看了。', failed: m => `无法处理：${m}`, offline: '无法连接服务器。',
    chooseFile: '请选择视频文件。', giveTitle: '请填写标题。', again: '请重新登录。', views: n => `${n} 次播放`, cancelled: '已取消。', noPage: '没有这个页面。',
    sure: t => `删除“${t}”？删除后不能恢复。`, notReady: '视频还在处理中。', broken: '视频无法播放。', unexpected: '服务器的回答无法识别。',
  },
};
const lang = /^zh\b/i.test(navigator.language) ? 'zh' : 'en';
const text = TEXTS[lang];
document.documentElement.lang = lang;

const $ = (selector, root = document) => root.querySelector(selector);
const main = $('#main');

function translate(root) {
  for (const e of root.querySelectorAll('[data-text]')) e.textContent = text[e.dataset.text];
  for (const e of root.querySelectorAll('[data-placeholder]')) e.placeholder = text[e.dataset.placeholder];
}

function fromTemplate(id) {
  const copy = $(id).content.cloneNode(true);
  translate(copy);
  return copy;
}

function notice(message) {
  $('#notice').textContent = message || '';
  $('#notice').hidden = !message;
}

// --- who is signed in
const session = {
  get() { try { return JSON.parse(localStorage.getItem('session')); } catch { return null; } },
  set(value) {
    if (value) localStorage.setItem('session', JSON.stringify(value)); else localStorage.removeItem('session');
    showSession();
  },
};

function showSession() {
  const now = session.get();
  for (const e of document.querySelectorAll('[data-when]')) e.hidden = (e.dataset.when === 'in') !== Boolean(now);
  $('#who').textContent = now ? now.user.username : '';
  $('#mine').href = now ? '/user/' + now.user.id : '/login';
}

// --- the API
class ApiError extends Error {
  constructor(status, answer) {
    super(answer && answer.message || text.unexpected);
    this.status = status;
    this.token = answer && answer.error;
  }
}

let refreshing = null;  // requests that find the token expired share one refresh: the refresh token can be used once
function refresh() {
  refreshing ??= (async () => {
    const now = session.get();
    const response = await fetch('/api/user/refresh', {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ refresh_token: now.refresh_token }) });
    if (!response.ok) { session.set(null); return false; }
    const { data } = await response.json();
    session.set({ ...now, token: data.token, refresh_token: data.refresh_token });
    return true;
  })().catch(() => false).finally(() => { refreshing = null; });
  return refreshing;
}

async function call(method, path, body, retried = false) {
  const now = session.get();
  const headers = {};
  if (body) headers['Content-Type'] = 'application/json';
  if (now) headers.Authorization = 'Bearer ' + now.token;
  let response;
  try {
    response = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  } catch (e) {
    throw new ApiError(0, { message: text.offline });
  }
  if (response.status === 401 && now && now.refresh_token && !retried && await refresh()) return call(method, path, body, true);
  const answer = await response.json().catch(() => null);
  if (!response.ok || !answer) throw new ApiError(response.status, answer);
  return answer.data;
}

// Sends a form with progress, which fetch cannot report. Resolves to `data`.
function send(path, form, onProgress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', path);
    request.setRequestHeader('Authorization', 'Bearer ' + session.get().token);
    request.responseType = 'json';
    request.upload.onprogress = e => { if (e.lengthComputable) onProgress(Math.floor(100 * e.loaded / e.total)); };
    request.onload = () => request.status === 200 && request.response
      ? resolve(request.response.data) : reject(new ApiError(request.status, request.response));
    request.onerror = () => reject(new ApiError(0, { message: text.offline }));
    request.onabort = () => reject(new ApiError(0, { message: text.cancelled }));
    signal.addEventListener('abort', () => request.abort());
    request.send(form);
  });
}

// --- views. Each gets a signal that fires when the user goes elsewhere.
function duration(ms) {
  const s = Math.round(ms / 1000);
  return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, '0')}`;
}

const when = seconds => new Date(1000 * seconds).toLocaleString(lang, { dateStyle: 'medium', timeStyle: 'short' });

function card(video, { mine = false } = {}) {
  const copy = fromTemplate('#t-card');
  const open = $('.open', copy);
  open.href = '/video/' + video.id;
  const image = $('img', copy);
  if (video.coverUrl) image.src = video.coverUrl; else image.remove();
  $('.title', copy).textContent = video.title;
  $('.length', copy).textContent = video.durationMs ? duration(video.durationMs) : '';
  $('.author', copy).textContent = video.author.username;
  $('.author', copy).href = '/user/' + video.authorId;
  $('.when', copy).textContent = when(video.publishTime || video.createTime);
  if (mine) {
    $('.state', copy).textContent = [video.status, text[video.visibility]].join(' · ');
    const remove = $('.remove', copy);
    remove.hidden = false;
    remove.setAttribute('aria-label', `${text.remove}: ${video.title}`);
    remove.onclick = async () => {
      if (!confirm(text.sure(video.title))) return;
      try {
        await call('DELETE', '/api/auth/video?id=' + video.id);
        remove.closest('li').remove();
      } catch (e) { notice(e.message); }
    };
  }
  return copy;
}

// A list that grows as it is scrolled. `next(state)` returns {videos, state}; a falsy state is the end.
async function list(heading, next, signal, options) {
  main.replaceChildren(fromTemplate('#t-list'));
  $('h1', main).textContent = heading;
  const cards = $('.cards', main), button = $('.more button', main), empty = $('.empty', main);
  empty.textContent = text.nothing;
  let state = null, ended = false, loading = false;
  async function more() {
    if (loading || ended || signal.aborted) return;
    loading = true;
    cards.setAttribute('aria-busy', 'true');
    try {
      const page = await next(state);
      if (signal.aborted) return;
      cards.append(...page.videos.map(v => card(v, options)));
      state = page.state;
      ended = !state;
      notice('');
    } catch (e) {
      if (!signal.aborted) notice(e.message);
      button.hidden = false;  // the button tries again
      return;
    } finally {
      loading = false;
      cards.setAttribute('aria-busy', 'false');
    }
    button.hidden = ended;
    empty.hidden = cards.children.length > 0;
    if (!ended && $('.more', main).getBoundingClientRect().top < innerHeight + 600) more();
  }
  button.onclick = more;
  const observer = new IntersectionObserver(entries => { if (entries[0].isIntersecting && state) more(); }, { rootMargin: '600px' });
  observer.observe($('.more', main));
  signal.addEventListener('abort', () => observer.disconnect());
  await more();
}

const byCursor = path => async cursor => {
  const data = await call('GET', path + (path.includes('?') ? '&' : '?') + 'page_size=24' + (cursor ? '&cursor=' + encodeURIComponent(cursor) : ''));
  return { videos: data.videos, state: data.next_cursor };
};

const feed = signal => list(text.newest, byCursor('/api/video/feed'), signal);
// Someone's videos; one's own with their states, the private ones among them.
async function userVideos(signal, id) {
  const now = session.get();
  if (now && now.user.id === Number(id)) return list(text.mine, byCursor('/api/auth/video/mine'), signal, { mine: true });
  const user = await call('GET', '/api/user/detail?user_id=' + encodeURIComponent(id));
  if (!signal.aborted) await list(text.videosOf(user.username), byCursor('/api/user/videos?user_id=' + encodeURIComponent(id)), signal);
}

function search(signal) {
  const keyword = new URLSearchParams(location.search).get('q') || '';
  $('#q').value = keyword;
  return list(text.results(keyword), async page => {
    page ??= 1;
    const data = await call('GET', `/api/search?keyword=${encodeURIComponent(keyword)}&page=${page}&page_size=24`);
    return { videos: data.videos, state: data.videos.length && page * data.size < data.total ? page + 1 : null };
  }, signal);
}

async function watch(signal, id) {
  const video = await call('GET', '/api/video/detail?id=' + encodeURIComponent(id));
  if (signal.aborted) return;
  main.replaceChildren(fromTemplate('#t-video'));
  document.title = video.title;
  $('h1', main).textContent = video.title;
  $('.author', main).textContent = video.author.username;
  $('.author', main).href = '/user/' + video.authorId;
  $('.views', main).textContent = text.views(video.viewCount);
  $('time', main).textContent = when(video.publishTime || video.createTime);
  $('.description', main).textContent = video.description;
  $('.tags', main).textContent = video.tags.map(t => '#' + t).join(' ');
  const player = $('video', main);
  if (!video.url) { notice(video.status === 'failed' ? text.broken : text.notReady); return; }
  if (video.coverUrl) player.poster = video.coverUrl;
  if (video.width && video.height) { player.width = video.width; player.height = video.height; }
  player.onerror = () => { if (!signal.aborted) notice(text.broken); };
  player.src = video.url;

  // Watched time, without pauses and seeks; told once, when the viewer leaves.
  let watched = 0, last = null;
  player.ontimeupdate = () => {
    const step = last === null ? 0 : player.currentTime - last;
    if (step > 0 && step < 2) watched += step;
    last = player.currentTime;
  };
  const tell = () => {
    if (watched < 0.5) return;
    const now = session.get();
    fetch('/api/video/view', {
      method: 'POST', keepalive: true, headers: { 'Content-Type': 'application/json', ...(now && { Authorization: 'Bearer ' + now.token }) },
      body: JSON.stringify({ video_id: video.id, watched_ms: Math.round(1000 * watched) }) }).catch(() => {});
    watched = 0;
  };
  addEventListener('pagehide', tell, { signal });
  signal.addEventListener('abort', () => { tell(); player.removeAttribute('src'); player.load(); });
}

function account(isNew) {
  main.replaceChildren(fromTemplate('#t-account'));
  const form = $('form', main), error = $('.error', main);
  $('h1', main).textContent = $('button', form).textContent = isNew ? text.register : text.signIn;
  form.password.autocomplete = isNew ? 'new-password' : 'current-password';
  const other = document.createElement('a');
  other.href = isNew ? '/login' : '/register';
  other.textContent = isNew ? text.signIn : text.register;
  $('.other', main).append((isNew ? text.haveAccount : text.noAccount) + ' ', other);
  form.onsubmit = async e => {
    e.preventDefault();
    error.hidden = true;
    $('button', form).disabled = true;
    try {
      const data = await call('POST', isNew ? '/api/user/register' : '/api/user/login', { username: form.username.value, password: form.password.value });
      session.set({ user: data.user, token: data.token, refresh_token: data.refresh_token });
      go('/');
    } catch (problem) {
      error.textContent = problem.message;
      error.hidden = false;
      $('button', form).disabled = false;
    }
  };
  form.username.focus();
}

// Anonymous visitors are sent to sign in.
function needsAccount() {
  if (session.get()) return true;
  go('/login');
  return false;
}

function upload(signal) {
  if (!needsAccount()) return;
  main.replaceChildren(fromTemplate('#t-upload'));
  const form = $('form', main), error = $('.error', form), button = $('.primary', form), cancel = $('.cancel', form);
  const bar = $('progress', form), output = $('output', form);
  const show = (percent, message) => { $('.progress', form).hidden = false; bar.value = percent; output.textContent = message; };
  form.video.onchange = () => {
    if (!form.title.value && form.video.files[0]) form.title.value = form.video.files[0].name.replace(/\.[^.]*$/, '').slice(0, 100);
  };
  form.onsubmit = async e => {
    e.preventDefault();
    error.hidden = true;
    const stop = new AbortController();
    signal.addEventListener('abort', () => stop.abort());
    try {
      if (!form.video.files[0]) throw new ApiError(0, { message: text.chooseFile });
      if (!form.title.value.trim()) throw new ApiError(0, { message: text.giveTitle });
      await call('GET', '/api/auth/user/profile');  // refreshes an old token before the file is sent, not after
      button.disabled = true;
      cancel.hidden = false;
      cancel.onclick = () => stop.abort();
      const body = new FormData();  // the file last: the server then knows everything else before it arrives
      for (const name of ['title', 'description', 'tags', 'visibility']) body.append(name, form[name].value);
      body.append('video', form.video.files[0]);
      const video = await send('/api/auth/video/upload', body, p => show(p, p < 100 ? text.sending(p) : text.received), stop.signal);
      cancel.hidden = true;
      await follow(video.id);
    } catch (problem) {
      if (signal.aborted) return;
      $('.progress', form).hidden = true;
      error.textContent = problem.status === 401 ? text.again : problem.message;
      error.hidden = false;
      button.disabled = false;
      cancel.hidden = true;
    }
  };
  async function follow(id) {
    while (!signal.aborted) {
      const job = await call('GET', '/api/auth/video/status?id=' + id);
      if (signal.aborted) return;
      if (job.status === 'failed') throw new ApiError(0, { message: text.failed(job.message || job.error) });
      if (job.status === 'ready') { show(100, text.watchable); go('/video/' + id); return; }
      show(job.progress, text.working(job.stage || job.status, job.progress));
      await new Promise(done => setTimeout(done, 500));
    }
  }
}

// --- paths
const ROUTES = [
  [/^\/$/, feed], [/^\/search$/, search], [/^\/upload$/, upload],
  [/^\/login$/, () => account(false)], [/^\/register$/, () => account(true)],
  [/^\/video\/(\d+)$/, watch], [/^\/user\/(\d+)$/, userVideos],
];

let leave = null;
async function show() {
  if (leave) leave.abort();
  leave = new AbortController();
  const { signal } = leave;
  notice('');
  document.title = 'shortvideo';
  main.replaceChildren();
  for (const [pattern, view] of ROUTES) {
    const match = pattern.exec(location.pathname);
    if (!match) continue;
    try { await view(signal, ...match.slice(1)); } catch (e) { if (!signal.aborted) notice(e.message); }
    return;
  }
  notice(text.noPage);
}

function go(path) {
  history.pushState(null, '', path);
  scrollTo(0, 0);
  show();
}

document.addEventListener('click', e => {
  const link = e.target.closest('a[href^="/"]');
  if (!link || e.ctrlKey || e.metaKey || e.shiftKey || e.button !== 0) return;
  e.preventDefault();
  go(link.getAttribute('href'));
  main.focus({ preventScroll: true });
});
addEventListener('popstate', show);

$('#search').onsubmit = e => {
  e.preventDefault();
  if ($('#q').value.trim()) go('/search?q=' + encodeURIComponent($('#q').value.trim()));
};
$('#sign-out').onclick = async () => {
  await call('POST', '/api/auth/user/logout').catch(() => {});  // without a server the session ends here all the same
  session.set(null);
  go('/');
};
addEventListener('storage', e => { if (e.key === 'session') showSession(); });

translate(document);
showSession();
show();
